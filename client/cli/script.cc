#include <cstdio>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/card.h"
#include "client/cli/error_report.h"
#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/printable.h"
#include "client/cli/table.h"
#include "client/cli/verbs.h"
#include "errand/error.h"
#include "google/rpc/error_details.pb.h"

namespace errand::cli {
namespace {

// "report.lua:3:7: unexpected symbol near 'x'", as compilers have it; without what is not known.
std::string ProblemLine(const std::string& file, const v1::Problem& problem) {
  std::string line = Printable(file == "-" ? "standard input" : file);
  if (problem.line() > 0) absl::StrAppend(&line, ":", problem.line());
  if (problem.line() > 0 && problem.column() > 0) absl::StrAppend(&line, ":", problem.column());
  return absl::StrCat(line, ": ", Printable(problem.message()), "\n");
}

// Why a script was refused: where it does not compile, the place in the file.
int FailCreate(const Session& session, const absl::Status& status) {
  const auto info = FindDetail<google::rpc::ErrorInfo>(status);
  if (!info.has_value() || info->reason() != "LUA_SYNTAX_ERROR") return session.Fail(status);
  const auto value = [&info](const char* key) {
    const auto found = info->metadata().find(key);
    return found == info->metadata().end() ? std::string() : found->second;
  };
  v1::Problem problem;
  int32_t number = 0;
  if (absl::SimpleAtoi(value("line"), &number)) problem.set_line(number);
  if (absl::SimpleAtoi(value("column"), &number)) problem.set_column(number);
  problem.set_message(value("message"));
  std::fputs(ProblemLine(session.arguments().script.file, problem).c_str(), stderr);
  return ExitCodeOf(status);
}

std::string ScriptCard(const v1::Script& script) {
  std::string card;
  AddFact(card, "name", Printable(script.name()));
  AddFact(card, "version", absl::StrCat(script.version()));
  if (script.has_create_time()) AddTime(card, "created", script.create_time());
  AddFact(card, "source", absl::StrCat(script.source().size(), " bytes"));
  return card;
}

void Show(const v1::Script& script, Format format) {
  const std::string text =
      format == Format::kTable ? ScriptCard(script) : ToJson(script, format == Format::kJson);
  std::fputs(text.c_str(), stdout);
}

}  // namespace

int ScriptCreate(Session& session, const std::string& source) {
  absl::string_view id = session.arguments().script.name;
  absl::ConsumePrefix(&id, "scripts/");
  v1::CreateScriptRequest request;
  request.set_script_id(std::string(id));
  request.mutable_script()->set_source(source);
  const absl::StatusOr<v1::Script> script = session.scripts().Create(std::move(request), session.options());
  if (!script.ok()) return FailCreate(session, script.status());
  Show(*script, session.arguments().format);
  return kDone;
}

int ScriptGet(Session& session) {
  const ScriptFlags& flags = session.arguments().script;
  const absl::StatusOr<v1::Script> script =
      session.scripts().Get(flags.name, flags.version, session.options());
  if (!script.ok()) return session.Fail(script.status());
  if (flags.source_only) {
    std::fwrite(script->source().data(), 1, script->source().size(), stdout);
  } else {
    Show(*script, session.arguments().format);
  }
  return kDone;
}

int ScriptList(Session& session) {
  const Format format = session.arguments().format;
  Table table({"NAME", "VERSION", "CREATED"});
  v1::ListScriptsResponse all;
  const absl::Status status = session.scripts().List(
      [&](const v1::Script& script) {
        if (format == Format::kTable) {
          table.Add({{Printable(script.name())},
                     {absl::StrCat(script.version())},
                     {DescribeTime(script.create_time())}});
        }
        if (format == Format::kJsonl) std::fputs(ToJson(script).c_str(), stdout);
        if (format == Format::kJson) *all.add_scripts() = script;
        return true;
      },
      session.options());
  table.Flush();
  if (!status.ok()) return session.Fail(status);
  if (format == Format::kJson) {
    std::fputs(all.scripts().empty() ? "{\n \"scripts\": []\n}\n" : ToJson(all, true).c_str(), stdout);
  }
  return kDone;
}

int ScriptDelete(Session& session) {
  const Arguments& arguments = session.arguments();
  const absl::Status status = session.scripts().Delete(arguments.script.name, session.options());
  if (!status.ok()) return session.Fail(status);
  if (arguments.format == Format::kTable) {
    std::printf("%s\n", Printable(arguments.script.name).c_str());
    return kDone;
  }
  v1::Script script;  // Of which nothing is left but this.
  script.set_name(arguments.script.name);
  Show(script, arguments.format);
  return kDone;
}

int ScriptValidate(Session& session, const std::string& source) {
  const Arguments& arguments = session.arguments();
  const absl::StatusOr<v1::ValidateScriptResponse> response =
      session.scripts().Validate(source, session.options());
  if (!response.ok()) return session.Fail(response.status());
  if (arguments.format == Format::kTable) {
    for (const v1::Problem& problem : response->problems()) {
      std::fputs(ProblemLine(arguments.script.file, problem).c_str(), stdout);
    }
  } else {
    std::fputs(ToJson(*response, arguments.format == Format::kJson).c_str(), stdout);
  }
  return response->problems().empty() ? kDone : kFailed;
}

}  // namespace errand::cli
