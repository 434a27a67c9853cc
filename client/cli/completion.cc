#include "client/cli/completion.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/cli/command_words.h"

// bash and zsh scripts walk the words typed so far to learn which command is being typed, and then ask a
// table what may follow; fish is given the table as conditions of its own.
namespace errand::cli {
namespace {

// In single quotes, for bash and zsh.
std::string Quote(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::string FishQuote(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

// A word and what it is for, for zsh's _describe.
std::string Described(absl::string_view word, absl::string_view description) {
  return Quote(absl::StrCat(absl::StrReplaceAll(word, {{":", "\\:"}}), ":", description));
}

std::vector<std::string> NamesOf(const CommandWords& command) {
  std::vector<std::string> names;
  for (const FlagWords& flag : command.flags) names.insert(names.end(), flag.names.begin(), flag.names.end());
  return names;
}

// "file", the choices, or nothing, as the scripts' tables have it.
std::string Values(const ValueWords& value) {
  return value.kind == ValueWords::Kind::kFile ? "<file>" : absl::StrJoin(value.choices, " ");
}

// The branches of the table that answers "what may stand behind the flag $2 of the command $1".
std::string FlagTable(const std::vector<CommandWords>& commands) {
  std::string table;
  for (const CommandWords& command : commands) {
    for (const FlagWords& flag : command.flags) {
      if (flag.value.kind == ValueWords::Kind::kNone) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : flag.names) {
        patterns.push_back(Quote(absl::StrCat(command.place, ":", name)));
      }
      absl::StrAppend(&table, "    ", absl::StrJoin(patterns, "|"), ") values=", Quote(Values(flag.value)),
                      " ;;\n");
    }
  }
  return table;
}

constexpr char kBashHead[] = R"(# bash completion for errand: source <(errand completion bash)

# What may follow the command $1: sets verbs, flags and operands.
_errand_words() {
  verbs= flags= operands=
  case $1 in
)";

constexpr char kBashMiddle[] = R"(  esac
}

# What may stand behind the flag $2 of the command $1: sets values; fails when it takes none.
_errand_values() {
  case "$1:$2" in
)";

constexpr char kBashTail[] = R"(    *) return 1 ;;
  esac
}

_errand() {
  local cur=${COMP_WORDS[COMP_CWORD]} place='' flag='' word verbs flags operands values i
  _errand_words ''
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    [[ $word == '=' ]] && continue  # bash takes --flag=value for three words.
    if [[ -n $flag ]]; then
      flag=''
    elif [[ $word == -* ]]; then
      _errand_values "$place" "$word" && flag=$word
    elif [[ " $verbs " == *" $word "* ]]; then
      place=${place:+$place }$word
      _errand_words "$place"
    fi
  done
  COMPREPLY=()
  [[ $cur == '=' ]] && cur=''
  if [[ -n $flag ]]; then
    _errand_values "$place" "$flag"
  elif [[ $cur == -* ]]; then
    values=$flags
  else
    values="$verbs $operands"
  fi
  if [[ $values == *'<file>'* ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    values=${values/'<file>'/}
  fi
  mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W "$values" -- "$cur")
}

complete -F _errand errand
)";

std::string BashScript(const std::vector<CommandWords>& commands) {
  std::string script = kBashHead;
  for (const CommandWords& command : commands) {
    std::vector<std::string> verbs;
    for (const auto& [name, description] : command.verbs) verbs.push_back(name);
    absl::StrAppend(&script, "    ", Quote(command.place),
                    ")\n      verbs=", Quote(absl::StrJoin(verbs, " ")),
                    "\n      flags=", Quote(absl::StrJoin(NamesOf(command), " ")),
                    "\n      operands=", Quote(Values(command.operand)), "\n      ;;\n");
  }
  return absl::StrCat(script, kBashMiddle, FlagTable(commands), kBashTail);
}

constexpr char kZshHead[] = R"(#compdef errand
# zsh completion for errand: errand completion zsh > "${fpath[1]}/_errand"

# What may follow the command $1: sets verbs, flags and operands.
_errand_words() {
  verbs=() flags=() operands=''
  case $1 in
)";

constexpr char kZshMiddle[] = R"(  esac
}

# What may stand behind the flag $2 of the command $1: sets values; fails when it takes none.
_errand_values() {
  case "$1:$2" in
)";

constexpr char kZshTail[] = R"(    *) return 1 ;;
  esac
}

_errand_offer() {
  if [[ $1 == '<file>' ]]; then
    _files
  elif [[ -n $1 ]]; then
    compadd -- ${=1}
  fi
}

_errand() {
  local place='' flag='' word operands values
  local -a verbs flags
  _errand_words ''
  for word in "${(@)words[2,CURRENT-1]}"; do
    if [[ -n $flag ]]; then
      flag=''
    elif [[ $word == -* ]]; then
      _errand_values "$place" "$word" && flag=$word
    elif (( ${verbs[(I)${(b)word}:*]} )); then
      place=${place:+$place }$word
      _errand_words "$place"
    fi
  done
  values=''
  if [[ -n $flag ]]; then
    _errand_values "$place" "$flag"
    _errand_offer "$values"
  elif [[ $PREFIX == --*=* ]]; then
    _errand_values "$place" "${PREFIX%%=*}"
    compset -P '*='
    _errand_offer "$values"
  elif [[ $PREFIX == -* ]]; then
    _describe -o flag flags
  else
    (( ${#verbs} )) && _describe verb verbs
    _errand_offer "$operands"
  fi
}

# Sourced, it registers itself; from a folder of $fpath, it is the function's body.
if [[ $funcstack[1] == _errand ]]; then
  _errand "$@"
else
  compdef _errand errand
fi
)";

std::string ZshScript(const std::vector<CommandWords>& commands) {
  std::string script = kZshHead;
  for (const CommandWords& command : commands) {
    absl::StrAppend(&script, "    ", Quote(command.place), ")\n      verbs=(\n");
    for (const auto& [name, description] : command.verbs) {
      absl::StrAppend(&script, "        ", Described(name, description), "\n");
    }
    absl::StrAppend(&script, "      )\n      flags=(\n");
    for (const FlagWords& flag : command.flags) {
      for (const std::string& name : flag.names) {
        absl::StrAppend(&script, "        ", Described(name, flag.description), "\n");
      }
    }
    absl::StrAppend(&script, "      )\n      operands=", Quote(Values(command.operand)), "\n      ;;\n");
  }
  return absl::StrCat(script, kZshMiddle, FlagTable(commands), kZshTail);
}

constexpr char kFishTail[] = R"(
# Whether the command that is being typed is $argv[1].
function __errand_at
  set -l place ''
  set -l is_value 0
  for word in (commandline -opc)[2..-1]
    if test $is_value = 1
      set is_value 0
    else if string match -q -- '-*' $word
      contains -- "$place:$word" $__errand_valued; and set is_value 1
    else if contains -- (string trim -- "$place $word") $__errand_places
      set place (string trim -- "$place $word")
    end
  end
  test "$place" = "$argv[1]"
end

complete -c errand -f
)";

std::string FishValue(const ValueWords& value) {
  switch (value.kind) {
    case ValueWords::Kind::kNone:
      return "";
    case ValueWords::Kind::kText:
      return " -x";
    case ValueWords::Kind::kFile:
      return " -r -F";
    case ValueWords::Kind::kChoice:
      return absl::StrCat(" -x -a ", FishQuote(absl::StrJoin(value.choices, " ")));
  }
  return "";
}

std::string FishScript(const std::vector<CommandWords>& commands) {
  std::string script =
      "# fish completion for errand: errand completion fish > "
      "~/.config/fish/completions/errand.fish\n\nset -g __errand_places";
  for (const CommandWords& command : commands) {
    if (!command.place.empty()) absl::StrAppend(&script, " ", FishQuote(command.place));
  }
  absl::StrAppend(&script, "\nset -g __errand_valued");
  for (const CommandWords& command : commands) {
    for (const FlagWords& flag : command.flags) {
      if (flag.value.kind == ValueWords::Kind::kNone) continue;
      for (const std::string& name : flag.names) {
        absl::StrAppend(&script, " ", FishQuote(absl::StrCat(command.place, ":", name)));
      }
    }
  }
  absl::StrAppend(&script, "\n", kFishTail);
  for (const CommandWords& command : commands) {
    const std::string line = absl::StrCat("complete -c errand -n ",
                                          FishQuote(absl::StrCat("__errand_at ", FishQuote(command.place))));
    for (const auto& [name, description] : command.verbs) {
      absl::StrAppend(&script, line, " -a ", name, " -d ", FishQuote(description), "\n");
    }
    if (command.operand.kind == ValueWords::Kind::kFile) absl::StrAppend(&script, line, " -F\n");
    if (command.operand.kind == ValueWords::Kind::kChoice) {
      absl::StrAppend(&script, line, " -a ", FishQuote(Values(command.operand)), "\n");
    }
    for (const FlagWords& flag : command.flags) {
      absl::StrAppend(&script, line);
      for (const std::string& name : flag.names) {
        const bool is_long = name[1] == '-';
        absl::StrAppend(&script, is_long ? " -l " : " -s ", name.substr(is_long ? 2 : 1));
      }
      absl::StrAppend(&script, FishValue(flag.value), " -d ", FishQuote(flag.description), "\n");
    }
  }
  return script;
}

}  // namespace

std::string CompletionScript(const CLI::App& root, const std::string& shell) {
  const std::vector<CommandWords> commands = ListCommandWords(root);
  if (shell == "zsh") return ZshScript(commands);
  return shell == "fish" ? FishScript(commands) : BashScript(commands);
}

}  // namespace errand::cli
