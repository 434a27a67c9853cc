#include "server/handlers/email/receipt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"

namespace errand::handlers {
namespace {

using Kind = SmtpFailure::Kind;
using testing::ElementsAre;
using testing::IsEmpty;

v1::SmtpReply Reply(int code, const char* text = "text") {
  v1::SmtpReply reply;
  reply.set_code(code);
  reply.set_text(text);
  return reply;
}

v1::EmailTask EmailTo(const std::vector<std::string>& to) {
  v1::EmailTask email;
  for (const std::string& recipient : to) email.add_to(recipient);
  return email;
}

std::string ReasonOf(const Outcome& outcome) {
  if (outcome.status.ok()) return "OK";
  google::rpc::ErrorInfo info;
  const auto payload = outcome.status.GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return "no ErrorInfo";
  return info.reason();
}

SmtpTranscript Transcript(const std::vector<int>& codes, int message_code) {
  SmtpTranscript transcript;
  for (int code : codes) transcript.recipient_replies.push_back(Reply(code));
  if (message_code != 0) transcript.message_reply = Reply(message_code);
  return transcript;
}

// Runs one attempt in which the recipients still open get `codes` and the message gets `message_code`.
Outcome Deliver(const v1::EmailTask& email, const v1::EmailReceipt& previous, const std::vector<int>& codes,
                int message_code, int attempt = 1) {
  Receipt receipt(email, previous, "<id@x>", attempt);
  EXPECT_EQ(receipt.open().size(), codes.size());
  if (!codes.empty()) receipt.Add(Transcript(codes, message_code), "192.0.2.1:25");
  return receipt.Conclude();
}

Outcome FailWith(const v1::EmailTask& email, const SmtpTranscript& transcript) {
  Receipt receipt(email, {}, "<id@x>", 1);
  receipt.Add(transcript, "192.0.2.1:25");
  return receipt.Conclude();
}

std::vector<v1::RecipientState> StatesOf(const v1::EmailReceipt& receipt) {
  std::vector<v1::RecipientState> states;
  for (const auto& recipient : receipt.recipients()) states.push_back(recipient.state());
  return states;
}

TEST(ReceiptTest, AllAcceptedIsOk) {
  v1::EmailTask email = EmailTo({"A <a@x>"});
  email.add_cc("b@x");
  email.add_bcc("c@x");
  Receipt receipt(email, {}, "<id@x>", 1);
  EXPECT_THAT(receipt.open(), ElementsAre("a@x", "b@x", "c@x"));
  const Outcome outcome = Deliver(email, {}, {250, 251, 250}, 250);
  EXPECT_TRUE(outcome.status.ok());
  const v1::EmailReceipt& result = outcome.result.email();
  EXPECT_EQ(result.message_id(), "<id@x>");
  EXPECT_EQ(result.message_reply().code(), 250);
  ASSERT_EQ(result.recipients_size(), 3);
  for (const auto& recipient : result.recipients()) EXPECT_TRUE(recipient.accepted());
  EXPECT_EQ(result.recipients(1).reply().code(), 251);
}

TEST(ReceiptTest, OutcomeFollowsTheWorstThatCanStillChange) {
  const struct {
    std::vector<int> codes;
    int message_code;
    bool permanent;
    std::vector<bool> accepted;
  } kCases[] = {
      {{550, 250}, 250, true, {false, true}},   {{450, 250}, 250, false, {false, true}},
      {{550, 450}, 0, false, {false, false}},   {{550, 551}, 0, true, {false, false}},
      {{250, 250}, 550, true, {false, false}},  {{250, 250}, 451, false, {false, false}},
      {{550, 250}, 550, true, {false, false}},  {{450, 250}, 550, false, {false, false}},
      {{550, 250}, 451, false, {false, false}},
  };
  for (const auto& test : kCases) {
    const Outcome outcome = Deliver(EmailTo({"a@x", "b@x"}), {}, test.codes, test.message_code);
    EXPECT_EQ(ReasonOf(outcome), "SMTP_REJECTED");
    EXPECT_EQ(outcome.permanent, test.permanent) << outcome.status;
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(outcome.result.email().recipients(i).accepted(), test.accepted[i]);
      const int decided = test.codes[i] == 250 && test.message_code != 0 ? test.message_code : test.codes[i];
      EXPECT_EQ(outcome.result.email().recipients(i).reply().code(), decided);
    }
  }
}

TEST(ReceiptTest, SaysWhoWasRefusedAndWhy) {
  const Outcome outcome = Deliver(EmailTo({"a@x", "b@x", "c@x"}), {}, {250, 550, 450}, 250);
  EXPECT_EQ(outcome.status.message(), "the mail server refused 2 of 3 recipients, first <b@x>: 550 text");
  const Outcome message = Deliver(EmailTo({"a@x"}), {}, {250}, 552);
  EXPECT_EQ(message.status.message(), "the mail server refused the message: 552 text");
}

TEST(ReceiptTest, RetryAddressesOnlyThoseThatMayStillAccept) {
  const v1::EmailTask email = EmailTo({"a@x", "b@x", "c@x"});
  const Outcome first = Deliver(email, {}, {250, 450, 550}, 250);
  EXPECT_FALSE(first.permanent);
  Receipt retry(email, first.result.email(), "<id@x>", 2);
  EXPECT_THAT(retry.open(), ElementsAre("b@x"));
  const Outcome second = Deliver(email, first.result.email(), {250}, 250);
  EXPECT_EQ(ReasonOf(second), "SMTP_REJECTED");  // c@x.
  EXPECT_TRUE(second.permanent);
  EXPECT_TRUE(second.result.email().recipients(0).accepted());
  EXPECT_TRUE(second.result.email().recipients(1).accepted());
  EXPECT_EQ(second.result.email().recipients(2).reply().code(), 550);
  // Asked to run again by a person: the refusal is put to the test.
  Receipt third(email, second.result.email(), "<id@x>", 3);
  EXPECT_THAT(third.open(), ElementsAre("c@x"));
  const Outcome last = Deliver(email, second.result.email(), {250}, 250);
  EXPECT_TRUE(last.status.ok());
  EXPECT_THAT(Receipt(email, last.result.email(), "<id@x>", 4).open(), IsEmpty());
  EXPECT_TRUE(Deliver(email, last.result.email(), {}, 0).status.ok());
}

TEST(ReceiptTest, RecipientsOfARefusedMessageAreAddressedAgain) {
  const v1::EmailTask email = EmailTo({"a@x", "b@x"});
  const Outcome first = Deliver(email, {}, {250, 550}, 451);
  EXPECT_THAT(Receipt(email, first.result.email(), "<id@x>", 2).open(), ElementsAre("a@x"));
}

TEST(ReceiptTest, AddressThatStandsTwiceIsAddressedOnce) {
  v1::EmailTask email = EmailTo({"a@x", "A <a@x>"});
  email.add_cc("a@x");
  const Outcome outcome = Deliver(email, {}, {250}, 250);
  EXPECT_TRUE(outcome.status.ok());
  ASSERT_EQ(outcome.result.email().recipients_size(), 3);
  EXPECT_TRUE(outcome.result.email().recipients(2).accepted());
}

TEST(ReceiptTest, ForeignPreviousReceiptIsNotTrusted) {
  v1::EmailReceipt previous;
  previous.add_recipients()->set_address("other@x");
  previous.mutable_recipients(0)->set_accepted(true);
  previous.add_recipients()->set_address("z@x");
  EXPECT_THAT(Receipt(EmailTo({"a@x"}), previous, "<id@x>", 2).open(), ElementsAre("a@x"));
}

TEST(ReceiptTest, EachRecipientSaysWhereItStandsSinceWhenAndBecauseOfWhom) {
  const v1::EmailTask email = EmailTo({"a@x", "b@x", "c@x"});
  const Outcome first = Deliver(email, {}, {250, 450, 550}, 250);
  EXPECT_THAT(
      StatesOf(first.result.email()),
      ElementsAre(v1::RECIPIENT_STATE_ACCEPTED, v1::RECIPIENT_STATE_DEFERRED, v1::RECIPIENT_STATE_REFUSED));
  const Outcome second = Deliver(email, first.result.email(), {250}, 250, 2);
  const v1::EmailReceipt& receipt = second.result.email();
  EXPECT_THAT(StatesOf(receipt), ElementsAre(v1::RECIPIENT_STATE_ACCEPTED, v1::RECIPIENT_STATE_ACCEPTED,
                                             v1::RECIPIENT_STATE_REFUSED));
  EXPECT_EQ(receipt.recipients(0).attempt(), 1);
  EXPECT_EQ(receipt.recipients(1).attempt(), 2);
  EXPECT_EQ(receipt.recipients(2).attempt(), 1);
  EXPECT_EQ(receipt.recipients(1).server(), "192.0.2.1:25");
}

TEST(ReceiptTest, RefusedMessageIsWhatItsRecipientsAreTold) {
  const Outcome outcome = Deliver(EmailTo({"a@x", "b@x"}), {}, {250, 450}, 554);
  const v1::EmailReceipt& receipt = outcome.result.email();
  EXPECT_EQ(receipt.recipients(0).reply().code(), 554);
  EXPECT_EQ(receipt.recipients(1).reply().code(), 450);
  EXPECT_THAT(StatesOf(receipt), ElementsAre(v1::RECIPIENT_STATE_REFUSED, v1::RECIPIENT_STATE_DEFERRED));
}

v1::SmtpReply TooMany(int code, const char* enhanced, const char* text) {
  v1::SmtpReply reply = Reply(code, text);
  reply.set_enhanced_code(enhanced);
  return reply;
}

TEST(ReceiptTest, RecipientsForWhomATransactionHadNoRoomGoIntoAFurtherOne) {
  for (const v1::SmtpReply& too_many :
       {TooMany(452, "4.5.3", "Too many recipients"), TooMany(552, "", "Too many recipients"),
        TooMany(452, "", "sorry"), TooMany(451, "4.5.3", "x"), TooMany(550, "5.5.3", "x")}) {
    const v1::EmailTask email = EmailTo({"a@x", "b@x", "c@x", "d@x"});
    Receipt receipt(email, {}, "<id@x>", 1);
    SmtpTranscript transcript = Transcript({250, 550}, 250);
    transcript.recipient_replies.insert(transcript.recipient_replies.end(), {too_many, too_many});
    receipt.Add(transcript, "s:25");
    EXPECT_THAT(receipt.open(), ElementsAre("c@x", "d@x")) << too_many.ShortDebugString();
    // The first of a transaction is told the same: it is meant for itself.
    SmtpTranscript last = Transcript({}, 0);
    last.recipient_replies = {too_many, too_many};
    receipt.Add(last, "s:25");
    EXPECT_THAT(receipt.open(), IsEmpty());
    const Outcome outcome = receipt.Conclude();
    EXPECT_EQ(outcome.result.email().recipients(2).state(),
              too_many.code() / 100 == 4 ? v1::RECIPIENT_STATE_DEFERRED : v1::RECIPIENT_STATE_REFUSED);
  }
  // Of a full mailbox it is no fault of the transaction.
  for (const v1::SmtpReply& full : {TooMany(452, "4.2.2", "full"), TooMany(552, "5.2.2", "full"),
                                    TooMany(552, "", "full"), TooMany(450, "", "x")}) {
    Receipt receipt(EmailTo({"a@x", "b@x"}), {}, "<id@x>", 1);
    SmtpTranscript transcript = Transcript({250}, 250);
    transcript.recipient_replies.push_back(full);
    receipt.Add(transcript, "s:25");
    EXPECT_THAT(receipt.open(), IsEmpty()) << full.ShortDebugString();
  }
}

TEST(ReceiptTest, FailureNamesItsReasonAndWhetherToRetry) {
  const struct {
    SmtpFailure failure;
    const char* reason;
    bool permanent;
  } kCases[] = {
      {{Kind::kUnreachable, "x", std::nullopt}, "SMTP_UNREACHABLE", false},
      {{Kind::kTlsFailed, "x", std::nullopt}, "SMTP_TLS_FAILED", false},
      {{Kind::kTlsFailed, "x", Reply(554)}, "SMTP_TLS_FAILED", false},
      {{Kind::kProtocolError, "x", std::nullopt}, "SMTP_PROTOCOL_ERROR", false},
      {{Kind::kTimeout, "x", std::nullopt}, "SMTP_TIMEOUT", false},
      {{Kind::kRunTimeout, "x", std::nullopt}, "RUN_TIMEOUT_EXCEEDED", false},
      {{Kind::kCancelled, "x", std::nullopt}, "CANCELLED", false},
      {{Kind::kRejected, "x", Reply(421)}, "SMTP_REJECTED", false},
      {{Kind::kRejected, "x", Reply(554)}, "SMTP_REJECTED", true},
      {{Kind::kDeliveryUnknown, "x", std::nullopt}, "DELIVERY_UNKNOWN", true},
  };
  for (const auto& test : kCases) {
    SmtpTranscript transcript;
    transcript.failure = test.failure;
    const Outcome outcome = FailWith(EmailTo({"a@x"}), transcript);
    EXPECT_EQ(ReasonOf(outcome), test.reason);
    EXPECT_EQ(outcome.permanent, test.permanent) << test.reason;
    EXPECT_FALSE(outcome.result.email().recipients(0).accepted());
    // The recipient's entry says what kept it from being addressed.
    EXPECT_NE(outcome.result.email().recipients(0).reply().text(), "");
  }
}

SmtpTranscript Unknown(const std::vector<int>& codes) {
  SmtpTranscript transcript = Transcript(codes, 0);
  transcript.message_reply = Reply(0, "gone");
  transcript.failure = SmtpFailure{Kind::kDeliveryUnknown, "gone"};
  return transcript;
}

TEST(ReceiptTest, UnknownDeliveryIsFinalForItsRecipientsAndNotForOthers) {
  const v1::EmailTask email = EmailTo({"a@x", "b@x"});
  const Outcome outcome = FailWith(email, Unknown({250, 450}));
  EXPECT_EQ(ReasonOf(outcome), "DELIVERY_UNKNOWN");
  EXPECT_FALSE(outcome.permanent);
  EXPECT_THAT(StatesOf(outcome.result.email()),
              ElementsAre(v1::RECIPIENT_STATE_UNKNOWN, v1::RECIPIENT_STATE_DEFERRED));
  const Outcome second = Deliver(email, outcome.result.email(), {250}, 250, 2);
  EXPECT_EQ(ReasonOf(second), "DELIVERY_UNKNOWN") << "that of a@x, which was not addressed again";
  EXPECT_TRUE(second.permanent);
  EXPECT_FALSE(second.result.email().possible_duplicate());
  EXPECT_TRUE(FailWith(EmailTo({"a@x"}), Unknown({250})).permanent);
}

TEST(ReceiptTest, UnknownDeliveryIsTriedAgainWhereTheTaskSaysSo) {
  v1::EmailTask email = EmailTo({"a@x", "b@x"});
  email.set_on_unknown(v1::ON_UNKNOWN_RETRY);
  const Outcome outcome = FailWith(email, Unknown({250, 550}));
  EXPECT_EQ(ReasonOf(outcome), "DELIVERY_UNKNOWN");
  EXPECT_FALSE(outcome.permanent);
  EXPECT_FALSE(outcome.result.email().possible_duplicate());
  Receipt retry(email, outcome.result.email(), "<id@x>", 2);
  EXPECT_THAT(retry.open(), ElementsAre("a@x"));
  const Outcome second = Deliver(email, outcome.result.email(), {250}, 250, 2);
  EXPECT_TRUE(second.result.email().possible_duplicate());
  EXPECT_EQ(second.result.email().recipients(0).state(), v1::RECIPIENT_STATE_ACCEPTED);
}

TEST(ReceiptTest, InterruptedAfterTheHandOverIsUnknown) {
  v1::EmailTask email = EmailTo({"a@x", "b@x", "c@x"});
  Receipt receipt(email, {}, "<id@x>", 1);
  const v1::EmailReceipt kept = receipt.HandedOver({Reply(250), Reply(550), Reply(450)}, "s:25");
  EXPECT_TRUE(kept.handed_over());
  EXPECT_THAT(StatesOf(kept), ElementsAre(v1::RECIPIENT_STATE_UNKNOWN, v1::RECIPIENT_STATE_REFUSED,
                                          v1::RECIPIENT_STATE_DEFERRED));
  EXPECT_THAT(Receipt(email, kept, "<id@x>", 2).open(), ElementsAre("c@x"));
  const Outcome second = Deliver(email, kept, {250}, 250, 2);
  EXPECT_EQ(ReasonOf(second), "DELIVERY_UNKNOWN");
  EXPECT_TRUE(second.permanent);
  EXPECT_FALSE(second.result.email().handed_over());
  email.set_on_unknown(v1::ON_UNKNOWN_RETRY);
  EXPECT_THAT(Receipt(email, kept, "<id@x>", 2).open(), ElementsAre("a@x", "c@x"));
}

TEST(ReceiptTest, InterruptedAfterTheHandOverToAllIsOverUnlessAPersonRunsItAgain) {
  const v1::EmailTask email = EmailTo({"a@x"});
  Receipt receipt(email, {}, "<id@x>", 1);
  const v1::EmailReceipt kept = receipt.HandedOver({Reply(250)}, "s:25");
  const Outcome outcome = Deliver(email, kept, {}, 0, 2);
  EXPECT_EQ(ReasonOf(outcome), "DELIVERY_UNKNOWN");
  EXPECT_TRUE(outcome.permanent);
  const Outcome again = Deliver(email, outcome.result.email(), {250}, 250, 3);
  EXPECT_TRUE(again.status.ok());
  EXPECT_TRUE(again.result.email().possible_duplicate());
}

}  // namespace
}  // namespace errand::handlers
