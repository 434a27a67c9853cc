#ifndef ERRAND_TESTS_END_TO_END_EMAIL_MAIL_SERVER_H_
#define ERRAND_TESTS_END_TO_END_EMAIL_MAIL_SERVER_H_

#include <sys/types.h>

#include <string>

#include "tests/end_to_end/data_folder.h"

namespace errand {

// One of Debian's mail servers at its stock settings, on loopback, until the end of this object. Whatever it
// gets for example.net is accepted.
class MailServer {
 public:
  // Why none can be started here; empty: it can.
  static std::string Missing();

  // `name` is postfix or exim. Returns when it greets, or has not within a minute.
  explicit MailServer(const std::string& name);
  ~MailServer();

  MailServer(const MailServer&) = delete;
  MailServer& operator=(const MailServer&) = delete;

  bool greets() const { return greets_; }
  int port() const { return port_; }

 private:
  const DataFolder folder_;
  int port_ = 0;
  pid_t pid_ = -1;
  bool greets_ = false;
};

}  // namespace errand

#endif  // ERRAND_TESTS_END_TO_END_EMAIL_MAIL_SERVER_H_
