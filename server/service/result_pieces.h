#ifndef ERRAND_SERVER_SERVICE_RESULT_PIECES_H_
#define ERRAND_SERVER_SERVICE_RESULT_PIECES_H_

#include <cstddef>
#include <utility>

#include "errand/v1/tasks.pb.h"

namespace errand::service {

// A result cut into what ReadResult sends, one message after the other.
class ResultPieces {
 public:
  explicit ResultPieces(v1::TaskResult result) : result_(std::move(result)) {}

  // Fills the next piece in. Not called when there is no more.
  void Next(v1::ReadResultResponse& response);
  // There is at least one.
  bool more() const {
    return !started_ || data_sent_ < result_.data().size() ||
           recipients_sent_ < result_.email().recipients_size();
  }

 private:
  v1::TaskResult result_;
  bool started_ = false;
  size_t data_sent_ = 0;
  int recipients_sent_ = 0;
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_RESULT_PIECES_H_
