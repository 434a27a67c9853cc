// The `base64` and `hash` libraries.

#include "absl/strings/str_cat.h"
#include "tests/handlers/lua/lua_runner.h"

namespace errand::handlers {
namespace {

using testing::HasSubstr;

using EncodingLibraryTest = LuaTest;

TEST_F(EncodingLibraryTest, Base64IsThatOfItsStandard) {
  // RFC 4648, section 10.
  constexpr const char* kVectors[][2] = {{"", ""},
                                         {"f", "Zg=="},
                                         {"fo", "Zm8="},
                                         {"foo", "Zm9v"},
                                         {"foob", "Zm9vYg=="},
                                         {"fooba", "Zm9vYmE="},
                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kVectors) {
    EXPECT_EQ(Result(absl::StrCat("return base64.encode('", bytes, "')")), text);
    EXPECT_EQ(Result(absl::StrCat("return base64.decode('", text, "')")), bytes);
    const std::string bare(text, std::string(text).find_last_not_of('=') + 1);
    EXPECT_EQ(Result(absl::StrCat("return base64.encode_url('", bytes, "')")), bare);
    EXPECT_EQ(Result(absl::StrCat("return base64.decode_url('", bare, "')")), bytes);
  }
}

TEST_F(EncodingLibraryTest, BothAlphabetsHoldAllBytes) {
  EXPECT_EQ(Result(R"(return base64.encode('\xFB\xFF\xBE') .. base64.encode_url('\xFB\xFF\xBE'))"),
            "+/++-_--");
  EXPECT_EQ(Result(R"(
      local bytes = {}
      for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
      local all = table.concat(bytes)
      for length = 0, 256 do
        local s = all:sub(-length)
        assert(base64.decode(base64.encode(s)) == s and base64.decode_url(base64.encode_url(s)) == s, length)
        assert(#base64.encode(s) % 4 == 0 and not base64.encode_url(s):find('[=+/]'))
      end
      return 'all')"),
            "all");
}

TEST_F(EncodingLibraryTest, WhatIsNotBase64IsRefusedWithItsPlace) {
  struct Bad {
    const char* call;
    const char* message;
  };
  for (const auto& [call, message] : std::vector<Bad>{
           {"decode('Zm9v Zg==')", "base64.decode: what is at byte 5 is not part of the encoding"},
           {"decode('Zm9v\\n')", "base64.decode: what is at byte 5 is"},
           {"decode('Zm-_')", "base64.decode: what is at byte 3 is"},
           {"decode('\\0AAA')", "base64.decode: what is at byte 1 is"},
           {"decode('\\xFFAAA')", "base64.decode: what is at byte 1 is"},
           {"decode('====')", "base64.decode: what is at byte 1 is"},
           {"decode('A===')", "base64.decode: what is at byte 2 is"},
           {"decode('Zg==Zg==')", "base64.decode: what is at byte 3 is"},
           {"decode('Zg=')", "base64.decode: what is at byte 3 is"},
           {"decode('=')", "base64.decode: what is at byte 1 is"},
           {"decode('Zg')", "base64.decode: the text ends too early, after byte 2"},
           {"decode('Zm9vY')", "base64.decode: the text ends too early, after byte 5"},
           {"decode('Zh==')", "base64.decode: bits are set behind the last byte, at byte 2"},
           {"decode('Zm9=')", "base64.decode: bits are set behind the last byte, at byte 3"},
           {"decode_url('Zg==')", "base64.decode_url: what is at byte 3 is not part of the encoding"},
           {"decode_url('Zm+/')", "base64.decode_url: what is at byte 3 is"},
           {"decode_url('Z')", "base64.decode_url: the text ends too early, after byte 1"},
           {"decode_url('Zh')", "base64.decode_url: bits are set behind the last byte, at byte 2"},
           {"encode({})", "bad argument #1 to 'encode' (string expected, got table)"},
           {"decode()", "bad argument #1 to 'decode' (string expected, got no value)"}}) {
    EXPECT_THAT(Error(absl::StrCat("base64.", call)), HasSubstr(message)) << call;
  }
}

TEST_F(EncodingLibraryTest, LongTextsCountAsTheTasksMemory) {
  EXPECT_EQ(Result("local s = ('xyz'):rep(1 << 20) return base64.decode(base64.encode(s)) == s"), "true");
  const auto run = Run("local s = ('x'):rep(1 << 20) pcall(base64.encode, s) return 'there was room'",
                       [](v1::Task& task) { task.mutable_limits()->set_memory_bytes(2 << 20); });
  EXPECT_EQ(Reason(run->Wait().status), "MEMORY_EXCEEDED");
}

TEST_F(EncodingLibraryTest, Sha256IsThatOfItsStandard) {
  EXPECT_EQ(Result("return hash.sha256('')"),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  // FIPS 180-2, appendix B.
  EXPECT_EQ(Result("return hash.sha256('abc')"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Result("return hash.sha256('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', 'hex')"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Result("return hash.sha256(('a'):rep(1000000))"),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(Result("return base64.encode(hash.sha256('abc', 'raw'))"),
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
  EXPECT_EQ(Result("return hash.sha256('\\0') ~= hash.sha256('')"), "true");
}

TEST_F(EncodingLibraryTest, HmacSha256IsThatOfItsStandard) {
  // RFC 4231, section 4; the fifth is about cutting the result short.
  constexpr const char* kVectors[][2] = {
      {"('\\x0b'):rep(20), 'Hi There'", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"'Jefe', 'what do ya want for nothing?'",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {"('\\xaa'):rep(20), ('\\xdd'):rep(50)",
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {"'\\x01\\x02\\x03\\x04\\x05\\x06\\x07\\x08\\x09\\x0a\\x0b\\x0c\\x0d\\x0e\\x0f\\x10\\x11\\x12\\x13\\x14"
       "\\x15\\x16\\x17"
       "\\x18\\x19', ('\\xcd'):rep(50)",
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {"('\\xaa'):rep(131), 'Test Using Larger Than Block-Size Key - Hash Key First'",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {"('\\xaa'):rep(131), 'This is a test using a larger than block-size key and a larger than block-size "
       "data. "
       "The key needs to be hashed before being used by the HMAC algorithm.'",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"}};
  for (const auto& vector : kVectors) {
    EXPECT_EQ(Result(absl::StrCat("return hash.hmac_sha256(", vector[0], ")")), vector[1]);
  }
  EXPECT_EQ(Result("return #hash.hmac_sha256('', '', 'raw')"), "32");
}

TEST_F(EncodingLibraryTest, ArgumentsOfHashesAreChecked) {
  EXPECT_THAT(Error("hash.sha256()"),
              HasSubstr("bad argument #1 to 'sha256' (string expected, got no value)"));
  EXPECT_THAT(Error("hash.sha256('', 'base64')"),
              HasSubstr("bad argument #2 to 'sha256' (invalid option 'base64')"));
  EXPECT_THAT(Error("hash.hmac_sha256('key')"), HasSubstr("bad argument #2 to 'hmac_sha256'"));
  EXPECT_THAT(Error("hash.hmac_sha256('key', '', {})"), HasSubstr("bad argument #3 to 'hmac_sha256'"));
}

}  // namespace
}  // namespace errand::handlers
