#ifndef ERRAND_SERVER_TASK_LIMITS_H_
#define ERRAND_SERVER_TASK_LIMITS_H_

#include <cstdint>

// What the API allows, as published in protos/errand/v1. Plain constants: the sandbox, which links nothing
// of gRPC, uses them too.
namespace errand::task {

inline constexpr int64_t kMaxSourceBytes = 1 << 20;
inline constexpr int64_t kMaxPayloadBytes = 1 << 20;
inline constexpr int64_t kMinMemoryBytes = 1 << 20;
inline constexpr int64_t kMaxMemoryBytes = 1 << 30;
inline constexpr int64_t kDefaultMemoryBytes = 64 << 20;
inline constexpr int64_t kMaxOutputBytes = 64 << 20;
inline constexpr int64_t kDefaultOutputBytes = 1 << 20;
inline constexpr int64_t kMaxLogLineBytes = 4 << 10;
inline constexpr int64_t kMaxProgressMessageBytes = 1 << 10;

inline constexpr int64_t kDefaultRunTimeoutSeconds = 30;
inline constexpr int64_t kDefaultEmailRunTimeoutSeconds = 900;
inline constexpr int64_t kMaxRunTimeoutSeconds = 3600;
inline constexpr int64_t kMaxScheduleAheadSeconds = 366 * 24 * 3600;

inline constexpr int kMaxPriority = 9;
inline constexpr int kMaxLabels = 64;
inline constexpr int kMaxLabelKeyBytes = 63;
inline constexpr int kMaxLabelValueBytes = 255;
inline constexpr int kMaxIdBytes = 63;
inline constexpr int kMaxRequestIdBytes = 128;
inline constexpr int kMaxAttempts = 100;
inline constexpr int64_t kMaxBackoffSeconds = 24 * 3600;

inline constexpr int kMaxOrderingKeyBytes = 256;
inline constexpr int64_t kMaxTtlSeconds = 366 * 24 * 3600;
inline constexpr int kMaxFilterBytes = 4 << 10;

inline constexpr int kMaxTasksPerSecond = 1'000'000;
inline constexpr int kMaxBurst = 1'000'000;
inline constexpr int kMaxWeight = 100;

inline constexpr int kMaxRecipients = 1000;
inline constexpr int kMaxHeaderValueBytes = 998;  // RFC 5322 section 2.1.1.
inline constexpr int kMaxHeaderNameBytes = 76;
inline constexpr int kMaxExtraHeaders = 64;
inline constexpr int64_t kMaxBodyBytes = 1 << 20;
inline constexpr int kMaxAttachments = 64;
inline constexpr int64_t kMaxAttachmentBytes = 10 << 20;
inline constexpr int kMaxFilenameBytes = 255;

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_LIMITS_H_
