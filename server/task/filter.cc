#include "server/task/filter.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/limits.h"

// The grammar, a subset of https://google.aip.dev/assets/misc/ebnf-filtering.txt:
//
//   expression = sequence { "AND" sequence }
//   sequence   = factor { factor }                 which means AND
//   factor     = term { "OR" term }
//   term       = [ "NOT" | "-" ] ( "(" expression ")" | comparison )
//   comparison = field operator value
namespace errand::task {
namespace {

using Predicate = absl::AnyInvocable<bool(const v1::Task&) const>;

// Parentheses within parentheses: bounds the recursion of Parser and of Matches.
constexpr int kMaxDepth = 50;

constexpr absl::string_view kStatePrefix = "TASK_STATE_";

enum class Operator { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

// A part of the filter's text, and where it starts.
struct Word {
  std::string text;
  size_t position = 0;
};

template <class T>
bool Compare(const T& left, Operator op, const T& right) {
  switch (op) {
    case Operator::kEqual:
      return left == right;
    case Operator::kNotEqual:
      return left != right;
    case Operator::kLess:
      return left < right;
    case Operator::kLessOrEqual:
      return left <= right;
    case Operator::kGreater:
      return left > right;
    case Operator::kGreaterOrEqual:
      return left >= right;
  }
  return false;
}

// A field of Task that holds a time.
struct TimeField {
  absl::string_view name;
  bool (v1::Task::*has)() const;
  const google::protobuf::Timestamp& (v1::Task::*get)() const;
};
constexpr TimeField kTimeFields[] = {
    {"create_time", &v1::Task::has_create_time, &v1::Task::create_time},
    {"start_time", &v1::Task::has_start_time, &v1::Task::start_time},
    {"end_time", &v1::Task::has_end_time, &v1::Task::end_time},
    {"schedule_time", &v1::Task::has_schedule_time, &v1::Task::schedule_time},
};

// A field of Task that holds a number.
struct NumberField {
  absl::string_view name;
  int32_t (v1::Task::*get)() const;
};
constexpr NumberField kNumberFields[] = {
    {"priority", &v1::Task::priority},
    {"attempt_count", &v1::Task::attempt_count},
    {"depth", &v1::Task::depth},
};

// A field of Task that holds a name.
struct NameField {
  absl::string_view name;
  const std::string& (v1::Task::*get)() const;
};
constexpr NameField kNameFields[] = {
    {"root_task", &v1::Task::root_task},
    {"parent_task", &v1::Task::parent_task},
};

bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }
bool IsWordChar(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Keys of labels may hold hyphens without being quoted.
bool IsKeyChar(char c) { return IsWordChar(c) || c == '-'; }

// An unquoted value reaches as far as these, so that times and negative numbers need no quotes.
bool IsValueChar(char c) { return IsWordChar(c) || absl::StrContains("-+.:/@*%", c); }

absl::StatusOr<v1::TaskState> ParseState(absl::string_view name) {
  v1::TaskState state;
  if (v1::TaskState_Parse(absl::StrCat(kStatePrefix, name), &state) && state != v1::TASK_STATE_UNSPECIFIED) {
    return state;
  }
  std::string names;
  for (int i = v1::TaskState_MIN; i <= v1::TaskState_MAX; ++i) {
    if (i == v1::TASK_STATE_UNSPECIFIED || !v1::TaskState_IsValid(i)) continue;
    absl::StrAppend(&names, names.empty() ? "" : ", ",
                    absl::StripPrefix(v1::TaskState_Name(i), kStatePrefix));
  }
  return absl::InvalidArgumentError(absl::StrCat("one of ", names));
}

// Recursive descent. The first problem ends it: everything returns true, or has set the problem.
class Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  // An empty predicate matches all.
  bool Parse(Predicate& root) {
    SkipSpace();
    if (AtEnd()) return true;
    if (!ParseExpression(0, root)) return false;
    if (!AtEnd()) return Fail(at_, "this ')' has no '(' before it");
    return true;
  }

  // "at position 8, 'FALED': must be ...".
  const std::string& problem() const { return problem_; }

 private:
  bool ParseExpression(int depth, Predicate& result) {
    std::vector<Predicate> all;
    while (true) {
      Predicate factor;
      if (!ParseFactor(depth, factor)) return false;
      all.push_back(std::move(factor));
      // Sequences bind closer than AND, and mean the same.
      const bool joined = ConsumeKeyword("AND");
      if (!joined && (AtEnd() || text_[at_] == ')')) break;
    }
    if (all.size() == 1) {
      result = std::move(all[0]);
      return true;
    }
    result = [all = std::move(all)](const v1::Task& task) {
      for (const Predicate& one : all) {
        if (!one(task)) return false;
      }
      return true;
    };
    return true;
  }

  bool ParseFactor(int depth, Predicate& result) {
    std::vector<Predicate> any;
    do {
      Predicate term;
      if (!ParseTerm(depth, term)) return false;
      any.push_back(std::move(term));
    } while (ConsumeKeyword("OR"));
    if (any.size() == 1) {
      result = std::move(any[0]);
      return true;
    }
    result = [any = std::move(any)](const v1::Task& task) {
      for (const Predicate& one : any) {
        if (one(task)) return true;
      }
      return false;
    };
    return true;
  }

  bool ParseTerm(int depth, Predicate& result) {
    const bool negated = Consume("-") || ConsumeKeyword("NOT");
    Predicate term;
    if (Consume("(")) {
      const size_t opened = at_;
      if (depth == kMaxDepth) {
        return Fail(at_ - 1, absl::StrCat("parentheses must not be nested deeper than ", kMaxDepth));
      }
      SkipSpace();
      if (!ParseExpression(depth + 1, term)) return false;
      if (!Consume(")")) return Fail(opened - 1, "this '(' needs a ')'");
      SkipSpace();
    } else if (!ParseComparison(term)) {
      return false;
    }
    if (!negated) {
      result = std::move(term);
      return true;
    }
    result = [term = std::move(term)](const v1::Task& task) { return !term(task); };
    return true;
  }

  bool ParseComparison(Predicate& result) {
    Word field{"", at_};
    while (!AtEnd() && IsWordChar(text_[at_])) field.text += text_[at_++];
    if (field.text.empty() || field.text == "AND" || field.text == "OR" || field.text == "NOT") {
      return FailAt(field, "must be a comparison, such as state = FAILED");
    }
    if (field.text == "labels") return ParseLabel(result);
    for (const TimeField& time : kTimeFields) {
      if (field.text == time.name) return ParseTime(time, result);
    }
    for (const NumberField& number : kNumberFields) {
      if (field.text == number.name) return ParseNumber(number, result);
    }
    for (const NameField& name : kNameFields) {
      if (field.text == name.name) return ParseName(name, result);
    }
    if (field.text == "state") return ParseStateOrHandler(true, result);
    if (field.text == "handler") return ParseStateOrHandler(false, result);
    return FailAt(field,
                  "must be one of state, handler, labels, create_time, start_time, end_time, "
                  "schedule_time, priority, attempt_count, depth, root_task, parent_task");
  }

  bool ParseStateOrHandler(bool is_state, Predicate& result) {
    Operator op;
    Word value;
    if (!ParseEquality(op) || !ParseValue(value)) return false;
    const bool equal = op == Operator::kEqual;
    if (is_state) {
      const absl::StatusOr<v1::TaskState> state = ParseState(value.text);
      if (!state.ok()) return FailAt(value, absl::StrCat("must be ", state.status().message()));
      result = [equal, wanted = *state](const v1::Task& task) { return (task.state() == wanted) == equal; };
      return true;
    }
    if (value.text != "lua" && value.text != "email") return FailAt(value, "must be lua or email");
    const auto wanted = value.text == "lua" ? v1::Task::kLua : v1::Task::kEmail;
    result = [equal, wanted](const v1::Task& task) { return (task.handler_case() == wanted) == equal; };
    return true;
  }

  // Behind `labels`: `.key = value`, or `:key`.
  bool ParseLabel(Predicate& result) {
    Word key;
    if (Consume(".")) {
      Operator op;
      Word value;
      if (!ParseWord(&IsKeyChar, "the key of a label, quoted if it is no identifier", key)) return false;
      if (!ParseEquality(op) || !ParseValue(value)) return false;
      result = [equal = op == Operator::kEqual, key = std::move(key.text),
                value = std::move(value.text)](const v1::Task& task) {
        const auto label = task.labels().find(key);
        return (label != task.labels().end() && label->second == value) == equal;
      };
      return true;
    }
    SkipSpace();
    const size_t position = at_;
    if (!Consume(":")) return Fail(position, "labels must be followed by .KEY = VALUE or :KEY");
    SkipSpace();
    if (!ParseWord(&IsKeyChar, "the key of a label, quoted if it is no identifier", key)) return false;
    SkipSpace();
    result = [key = std::move(key.text)](const v1::Task& task) { return task.labels().contains(key); };
    return true;
  }

  bool ParseTime(const TimeField& field, Predicate& result) {
    Operator op;
    Word value;
    if (!ParseOrder(op) || !ParseValue(value)) return false;
    absl::Time wanted;
    std::string problem;
    // ParseTime knows words ("infinite-future") and skips white space; RFC 3339 has neither.
    const bool plain = value.text.find_first_not_of("0123456789TtZz:.+-") == std::string::npos;
    if (!plain ||
        !absl::ParseTime(absl::RFC3339_full, absl::AsciiStrToUpper(value.text), &wanted, &problem)) {
      return FailAt(value, "must be a time as in RFC 3339, such as \"2026-01-31T12:00:00Z\"");
    }
    result = [field, op, wanted](const v1::Task& task) {
      if (!(task.*field.has)()) return op == Operator::kNotEqual;
      return Compare(FromProto((task.*field.get)()), op, wanted);
    };
    return true;
  }

  bool ParseNumber(const NumberField& field, Predicate& result) {
    Operator op;
    Word value;
    if (!ParseOrder(op) || !ParseValue(value)) return false;
    int64_t wanted;
    if (!absl::SimpleAtoi(value.text, &wanted)) return FailAt(value, "must be a whole number");
    result = [field, op, wanted](const v1::Task& task) {
      return Compare<int64_t>((task.*field.get)(), op, wanted);
    };
    return true;
  }

  bool ParseName(const NameField& field, Predicate& result) {
    Operator op;
    Word value;
    if (!ParseEquality(op) || !ParseValue(value)) return false;
    result = [field, equal = op == Operator::kEqual, wanted = std::move(value.text)](const v1::Task& task) {
      return ((task.*field.get)() == wanted) == equal;
    };
    return true;
  }

  bool ParseEquality(Operator& op) {
    const size_t position = SkipSpace();
    if (ConsumeOperator(op) && (op == Operator::kEqual || op == Operator::kNotEqual)) return true;
    return Fail(position, "must be = or !=");
  }

  bool ParseOrder(Operator& op) {
    const size_t position = SkipSpace();
    if (ConsumeOperator(op)) return true;
    return Fail(position, "must be one of = != < <= > >=");
  }

  bool ConsumeOperator(Operator& op) {
    struct Spelling {
      absl::string_view text;
      Operator op;
    };
    // The longer ones first.
    static constexpr Spelling kSpellings[] = {
        {"<=", Operator::kLessOrEqual}, {">=", Operator::kGreaterOrEqual},
        {"!=", Operator::kNotEqual},    {"=", Operator::kEqual},
        {"<", Operator::kLess},         {">", Operator::kGreater}};
    for (const Spelling& spelling : kSpellings) {
      if (!Consume(spelling.text)) continue;
      op = spelling.op;
      return true;
    }
    return false;
  }

  bool ParseValue(Word& value) {
    SkipSpace();
    if (!ParseWord(&IsValueChar, "a value; text that is no plain word is quoted", value)) return false;
    SkipSpace();
    return true;
  }

  // A string in quotes, or characters that `belongs` knows.
  bool ParseWord(bool (*belongs)(char), absl::string_view what, Word& word) {
    word.position = at_;
    if (AtEnd() || (text_[at_] != '"' && text_[at_] != '\'')) {
      while (!AtEnd() && belongs(text_[at_])) word.text += text_[at_++];
      if (word.text.empty()) return Fail(word.position, absl::StrCat("must be ", what));
      return true;
    }
    const char quote = text_[at_++];
    while (!AtEnd() && text_[at_] != quote) {
      if (text_[at_] == '\\') {
        ++at_;
        if (AtEnd() || (text_[at_] != '\\' && text_[at_] != '"' && text_[at_] != '\'')) {
          return Fail(at_ - 1, "a backslash must be followed by a quote or a backslash");
        }
      }
      word.text += text_[at_++];
    }
    if (AtEnd()) return Fail(word.position, "this quote is not closed");
    ++at_;
    return true;
  }

  bool AtEnd() const { return at_ == text_.size(); }

  // Where the text goes on.
  size_t SkipSpace() {
    while (!AtEnd() && IsSpace(text_[at_])) ++at_;
    return at_;
  }

  bool Consume(absl::string_view token) {
    if (!absl::StartsWith(text_.substr(at_), token)) return false;
    at_ += token.size();
    return true;
  }

  // `word`, but not the beginning of a longer one; and the space behind it.
  bool ConsumeKeyword(absl::string_view word) {
    const absl::string_view rest = text_.substr(at_);
    if (!absl::StartsWith(rest, word)) return false;
    if (rest.size() > word.size() && IsWordChar(rest[word.size()])) return false;
    at_ += word.size();
    SkipSpace();
    return true;
  }

  // Positions count from 1, in bytes.
  bool Fail(size_t position, absl::string_view what) {
    if (position >= text_.size()) {
      problem_ = absl::StrCat("at the end: ", what);
    } else {
      // Whatever the bytes are, and wherever they are cut, the message is text.
      problem_ = absl::StrCat("at position ", position + 1, ", '",
                              absl::CHexEscape(text_.substr(position, kQuotedBytes)), "': ", what);
    }
    return false;
  }
  bool FailAt(const Word& word, absl::string_view what) { return Fail(word.position, what); }

  static constexpr size_t kQuotedBytes = 24;

  const absl::string_view text_;
  size_t at_ = 0;
  std::string problem_;
};

}  // namespace

struct Filter::Node {
  Predicate matches;
};

absl::StatusOr<Filter> Filter::Parse(absl::string_view text, absl::string_view field) {
  if (text.size() > kMaxFilterBytes) {
    return InvalidField(field,
                        absl::StrCat("must be at most ", kMaxFilterBytes, " bytes, not ", text.size()));
  }
  Parser parser(text);
  Predicate root;
  if (!parser.Parse(root)) return InvalidField(field, parser.problem());
  return Filter(root == nullptr ? nullptr : std::make_unique<Node>(Node{std::move(root)}));
}

Filter::Filter(std::unique_ptr<Node> root) : root_(std::move(root)) {}
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;
Filter::~Filter() = default;

bool Filter::Matches(const v1::Task& task) const { return root_ == nullptr || root_->matches(task); }

}  // namespace errand::task
