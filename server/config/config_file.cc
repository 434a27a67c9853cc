#include "server/config/config_file.h"

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace errand::config {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Reads a file from its beginning to its end, with no way back.
class Reader {
 public:
  explicit Reader(absl::string_view text) : rest_(text) { absl::ConsumePrefix(&rest_, "\xef\xbb\xbf"); }

  absl::StatusOr<std::vector<ConfigEntry>> ReadAll() {
    std::vector<ConfigEntry> entries;
    std::map<std::string, int> lines;
    for (SkipToContent(); !rest_.empty(); SkipToContent()) {
      ConfigEntry entry;
      entry.line = line_;
      absl::Status status = ReadEntry(entry);
      if (!status.ok()) return status;
      const auto [first, is_new] = lines.emplace(entry.key, entry.line);
      if (!is_new) return Wrong(absl::StrCat("'", entry.key, "' is set on line ", first->second, " already"));
      entries.push_back(std::move(entry));
    }
    return entries;
  }

 private:
  absl::Status Wrong(absl::string_view problem) const {
    return absl::InvalidArgumentError(absl::StrCat("line ", line_, ": ", problem));
  }

  char Next() const { return rest_.empty() ? '\n' : rest_.front(); }
  void Skip() {
    if (rest_.front() == '\n') ++line_;
    rest_.remove_prefix(1);
  }
  void SkipBlanks() {
    while (!rest_.empty() && IsBlank(rest_.front())) Skip();
  }
  void SkipLine() {
    while (!rest_.empty() && rest_.front() != '\n') Skip();
  }
  // Blanks, line ends and comments.
  void SkipToContent(absl::string_view comments = "#;") {
    while (!rest_.empty() && (IsBlank(rest_.front()) || rest_.front() == '\n' ||
                              comments.find(rest_.front()) != absl::string_view::npos)) {
      if (comments.find(rest_.front()) != absl::string_view::npos) {
        SkipLine();
      } else {
        Skip();
      }
    }
  }

  absl::Status ReadEntry(ConfigEntry& entry) {
    if (Next() == '[') return Wrong("there are no sections: a setting is a line 'name = value'");
    while (absl::ascii_isalnum(static_cast<unsigned char>(Next())) || Next() == '_' || Next() == '-') {
      entry.key += Next();
      Skip();
    }
    SkipBlanks();
    if (entry.key.empty() || Next() != '=') return Wrong("a setting is a line 'name = value'");
    Skip();
    SkipBlanks();
    absl::Status status = Next() == '[' ? ReadList(entry.values) : ReadValue("", entry.values);
    if (!status.ok()) return status;
    SkipBlanks();
    if (Next() == '#') SkipLine();
    if (Next() != '\n') {
      return Wrong(absl::StrCat("after the value of '", entry.key, "' only a comment may follow"));
    }
    return absl::OkStatus();
  }

  absl::Status ReadList(std::vector<std::string>& values) {
    Skip();
    for (SkipToContent("#"); Next() != ']'; SkipToContent("#")) {
      absl::Status status = ReadValue(",]#", values);
      if (!status.ok()) return status;
      SkipToContent("#");
      if (Next() == ',') {
        Skip();
      } else if (Next() != ']') {
        return Wrong("a list is [value, value]");
      }
      if (rest_.empty()) return Wrong("a list is [value, value]");
    }
    Skip();
    return absl::OkStatus();
  }

  // `ends`: characters that end a plain value.
  absl::Status ReadValue(absl::string_view ends, std::vector<std::string>& values) {
    const char quote = Next();
    if (quote == '"' || quote == '\'') return ReadQuoted(quote, values);
    std::string value;
    while (Next() != '\n' && ends.find(Next()) == absl::string_view::npos) {
      if (Next() == '#' && (value.empty() || IsBlank(value.back()))) break;
      value += Next();
      Skip();
    }
    absl::StripTrailingAsciiWhitespace(&value);
    if (value.empty()) return Wrong("a value is missing; an empty text is \"\"");
    values.push_back(std::move(value));
    return absl::OkStatus();
  }

  absl::Status ReadQuoted(char quote, std::vector<std::string>& values) {
    Skip();
    std::string raw;
    while (Next() != quote) {
      if (Next() == '\n') return Wrong("a closing quotation mark is missing");
      const bool escaped = quote == '"' && Next() == '\\';
      raw += Next();
      Skip();
      if (!escaped) continue;
      if (Next() == '\n') return Wrong("a closing quotation mark is missing");
      raw += Next();
      Skip();
    }
    Skip();
    std::string value;
    if (quote == '\'') {
      value = std::move(raw);
    } else if (std::string problem; !absl::CUnescape(raw, &value, &problem)) {
      return Wrong(problem);
    }
    values.push_back(std::move(value));
    return absl::OkStatus();
  }

  absl::string_view rest_;
  int line_ = 1;
};

}  // namespace

absl::StatusOr<std::vector<ConfigEntry>> ParseConfigFile(absl::string_view text) {
  return Reader(text).ReadAll();
}

std::string QuoteConfigValue(absl::string_view value) {
  return absl::StrCat("\"", absl::Utf8SafeCEscape(value), "\"");
}

}  // namespace errand::config
