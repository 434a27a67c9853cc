#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/client/command_test.h"

// `errand completion`: what the scripts say is asked of the shells themselves, where they are installed.
namespace errand {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

class CompletionTest : public CommandTest {
 protected:
  std::string ScriptFile(const std::string& shell) {
    Run({"completion", shell});
    EXPECT_EQ(code_, 0) << err_;
    EXPECT_THAT(err_, IsEmpty());
    return File("script." + shell, out_);
  }

  // What bash offers for the last of `words`.
  std::vector<std::string> Offers(const std::vector<std::string>& words) {
    const std::string quoted = absl::StrJoin(
        words, " ", [](std::string* to, const std::string& word) { absl::StrAppend(to, "'", word, "'"); });
    const std::string script =
        File("ask.bash",
             absl::StrCat("source ", ScriptFile("bash"), "\nCOMP_WORDS=(errand ", quoted,
                          ")\nCOMP_CWORD=", words.size(), "\n_errand\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"));
    return absl::StrSplit(Output("bash " + script), '\n', absl::SkipEmpty());
  }

  static std::string Output(const std::string& command) {
    std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    std::string text;
    char buffer[4096];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) text += buffer;
    EXPECT_EQ(pclose(pipe), 0) << text;
    return text;
  }

  static bool Has(const std::string& shell) {
    return std::system(("command -v " + shell + " >/dev/null 2>&1").c_str()) == 0;
  }
};

TEST_F(CompletionTest, TheScriptsAreParsedByTheirShells) {
  EXPECT_EQ(Output("bash -n " + ScriptFile("bash")), "");
  const std::string zsh = ScriptFile("zsh");
  const std::string fish = ScriptFile("fish");
  EXPECT_EQ(Has("zsh") ? Output("zsh -n " + zsh) : "", "");
  EXPECT_EQ(Has("fish") ? Output("fish --no-execute " + fish) : "", "");
}

TEST_F(CompletionTest, EveryVerbOfTheHelpIsOffered) {
  Run({"--help"});
  std::vector<std::string> verbs;
  const std::string list = out_.substr(out_.find("Subcommands:\n") + 13);
  for (absl::string_view line : absl::StrSplit(list, '\n')) {
    if (line.size() < 3 || line.substr(0, 2) != "  ") break;
    if (line[2] == ' ') continue;  // A description goes on.
    verbs.emplace_back(line.substr(2, line.find(' ', 2) - 2));
  }
  ASSERT_THAT(verbs, IsSupersetOf({"run", "submit", "queue", "completion"}));
  EXPECT_EQ(Offers({""}), verbs);
}

TEST_F(CompletionTest, BashOffersVerbsAndFlagsOfTheCommandThatIsTyped) {
  EXPECT_THAT(Offers({"queue", ""}),
              ElementsAre("list", "get", "set", "pause", "resume", "purge", "delete", "stats"));
  EXPECT_THAT(Offers({"queue", "set", "q", "--ra"}), ElementsAre("--rate"));
  EXPECT_THAT(Offers({"run", "em"}), ElementsAre("email"));
  EXPECT_THAT(Offers({"run", "email", "--"}), IsSupersetOf({"--subject", "--ordering-key", "--output"}));
  EXPECT_THAT(Offers({"run", "email", "--"}), Not(Contains("--payload")));
  EXPECT_THAT(Offers({"submit", "--ba"}), ElementsAre("--batch"));
  EXPECT_THAT(Offers({"-"}), IsSupersetOf({"-o", "-q", "-h", "--version"}));
}

TEST_F(CompletionTest, BashOffersTheValuesOfAFlag) {
  EXPECT_THAT(Offers({"get", "-o", ""}), ElementsAre("table", "json", "jsonl"));
  // bash hands --output=js over as three words.
  EXPECT_THAT(Offers({"get", "--output", "=", "js"}), ElementsAre("json", "jsonl"));
  EXPECT_THAT(Offers({"get", "--output", "="}), ElementsAre("table", "json", "jsonl"));
  EXPECT_THAT(Offers({"completion", ""}), ElementsAre("bash", "zsh", "fish"));
  // A value is not taken for a verb.
  EXPECT_THAT(Offers({"--server", "run", "queue", "p"}), ElementsAre("pause", "purge"));
  EXPECT_THAT(Offers({"get", "--queue", ""}), IsEmpty());
  const std::string file = File("some.jsonl", "");
  EXPECT_THAT(Offers({"submit", "--batch", file.substr(0, file.size() - 3)}), ElementsAre(file));
  EXPECT_THAT(Offers({"run", "lua", file.substr(0, file.size() - 3)}), ElementsAre(file));
}

TEST_F(CompletionTest, FishOffersWhatBashOffers) {
  const std::string script = ScriptFile("fish");
  if (!Has("fish")) GTEST_SKIP() << "fish is not installed";
  const auto offers = [&](const std::string& line) {
    return Output(absl::StrCat("fish --no-config -c 'source ", script, "; complete -C \"", line, "\"'"));
  };
  EXPECT_THAT(offers("errand queue p"), HasSubstr("purge\tForget"));
  EXPECT_THAT(offers("errand queue set q --ra"), HasSubstr("--rate"));
  EXPECT_THAT(offers("errand get -o "), HasSubstr("jsonl"));
  EXPECT_THAT(offers("errand --server run queue p"), HasSubstr("pause"));
}

}  // namespace
}  // namespace errand
