#ifndef ERRAND_SERVER_STORE_MEMORY_BODY_H_
#define ERRAND_SERVER_STORE_MEMORY_BODY_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "errand/v1/task.pb.h"
#include "server/task/state.h"

// What a client asked for, as one piece of bytes: u32 (little-endian) bytes of the handler's message, that
// message, and the rest of the task as in BASIC view, both in Protocol Buffers' encoding. The name is not
// part of it, nor a uid that is the name's id.
namespace errand::store {

struct Body {
  std::unique_ptr<char[]> bytes;
  uint32_t size = 0;  // Never 0.
};

// The last segment of a task's name.
inline absl::string_view IdOf(absl::string_view name) { return name.substr(name.rfind('/') + 1); }

// Takes the handler's message out of `task`, which is left in BASIC view.
Body PackBody(v1::Task& task);

// Adds it to a task that has its name. What is not whole adds what there is of it.
void UnpackBody(absl::string_view body, task::HandlerKind kind, v1::TaskView view, v1::Task& task);

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_BODY_H_
