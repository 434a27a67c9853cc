#include <cstdio>

#include "errand/channel.h"
#include "errand/client.h"

int main(int, char** arguments) {
  const errand::Client client(errand::Dial(arguments[1]));
  const absl::StatusOr<bool> serving = client.IsServing();
  std::puts(absl::IsUnavailable(serving.status()) ? "unavailable" : serving.status().ToString().c_str());
}
