#ifndef ERRAND_SERVER_TASK_FAIR_ROOM_H_
#define ERRAND_SERVER_TASK_FAIR_ROOM_H_

namespace errand::task {

// Whether one of several that share `all` of something, who has `own` of the `taken`, may have `more`: each
// may have as much as it leaves for the others. One alone gets half, n that take all they can get leave one
// part in n + 1, and whoever has little always gets more (Choudhury and Hahne, "Dynamic queue length
// thresholds for shared-memory packet switches", 1998). No amount is negative.
template <class Amount>
constexpr bool HasFairRoom(Amount own, Amount more, Amount taken, Amount all) {
  return taken <= all && more <= all - taken && own + more <= all - taken - more;
}

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_FAIR_ROOM_H_
