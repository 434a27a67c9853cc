#ifndef ERRAND_SERVER_SANDBOX_JSON_H_
#define ERRAND_SERVER_SANDBOX_JSON_H_

#include <lua.hpp>
#include <string>
#include <string_view>

// Lua values as JSON text (RFC 8259) and back. Neither function raises an error or calls a metamethod. Both
// are to be called in a HostSection (interrupts.h), and give up when the run is to be abandoned.
//
//   null                          json.null (a light userdata, null)
//   number                        integer where it is written as one and fits into 64 bits, else float
//   array                         table with json.array's metatable
//   object                        table; the last of several members of one name counts
//
// A table is written as an array when it has json.array's metatable or keys 1 to n, n > 0; otherwise as an
// object, and its keys must be strings.
namespace errand::sandbox {

inline constexpr int kMaxJsonDepth = 128;

// The registry's name of the metatable that marks arrays.
inline constexpr char kJsonArray[] = "errand.array";

// Whether the table at `index` is marked as an array.
bool IsJsonArray(lua_State* thread, int index);

// Pushes the text of the value at `index`. Otherwise pushes nothing and says in `problem` what cannot be
// written and where.
bool PushJson(lua_State* thread, int index, std::string& problem);

// Pushes the value of `text`. Otherwise pushes nothing and says in `problem` what is wrong and where.
bool ParseJson(lua_State* thread, std::string_view text, std::string& problem);

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_JSON_H_
