// base64: RFC 4648, its alphabet (section 4) with padding and the one for URLs and file names (section 5)
// without. Nothing here allocates outside of Lua: it may be jumped out of anywhere.

#include <nettle/base64.h>

#include <array>
#include <cstdint>

#include "server/sandbox/libraries.h"

namespace errand::sandbox {
namespace {

// Six bits, or kNoDigit.
using Digits = std::array<uint8_t, 256>;
constexpr uint8_t kNoDigit = 0xFF;

constexpr Digits MakeDigits(const char* alphabet) {
  Digits digits{};
  digits.fill(kNoDigit);
  for (uint8_t i = 0; i < 64; ++i) digits[static_cast<unsigned char>(alphabet[i])] = i;
  return digits;
}

constexpr Digits kStandard = MakeDigits("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
constexpr Digits kForUrls = MakeDigits("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

int Encode(lua_State* thread, base64_encode_ctx context, bool padded) {
  size_t size;
  const char* bytes = luaL_checklstring(thread, 1, &size);
  luaL_Buffer result;
  char* const text = luaL_buffinitsize(thread, &result, BASE64_ENCODE_RAW_LENGTH(size));
  const size_t whole = base64_encode_update(&context, text, size, reinterpret_cast<const uint8_t*>(bytes));
  // The last one to three bytes, and then the padding up to a multiple of four.
  const size_t padding = context.bits == 0 ? 0 : (6 - context.bits) / 2;
  const size_t length = whole + base64_encode_final(&context, text + whole);
  luaL_pushresultsize(&result, padded ? length : length - padding);
  return 1;
}

int EncodeStandard(lua_State* thread) {
  base64_encode_ctx context;
  base64_encode_init(&context);
  return Encode(thread, context, true);
}

int EncodeForUrls(lua_State* thread) {
  base64_encode_ctx context;
  base64url_encode_init(&context);
  return Encode(thread, context, false);
}

// Strict, unlike nettle's: no white space, and one text for each value (RFC 4648 section 3.5), so that texts
// can be compared instead of what they encode.
int Decode(lua_State* thread, const char* function, const Digits& digits, bool padded) {
  size_t size;
  const char* text = luaL_checklstring(thread, 1, &size);
  size_t length = size;
  if (padded && size % 4 == 0) {
    for (int i = 0; i < 2 && length > 0 && text[length - 1] == '='; ++i) --length;
  }
  luaL_Buffer result;
  char* bytes = luaL_buffinitsize(thread, &result, length / 4 * 3 + 2);
  const char* const begin = bytes;
  uint32_t word = 0;
  unsigned bits = 0;
  for (size_t i = 0; i < length; ++i) {
    const uint8_t digit = digits[static_cast<unsigned char>(text[i])];
    if (digit == kNoDigit) {
      return luaL_error(thread, "base64.%s: what is at byte %I is not part of the encoding", function,
                        static_cast<LUAI_UACINT>(i) + 1);
    }
    word = word << 6 | digit;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    *bytes++ = static_cast<char>(word >> bits);
  }
  if (length % 4 == 1 || (padded && size % 4 != 0)) {
    return luaL_error(thread, "base64.%s: the text ends too early, after byte %I", function,
                      static_cast<LUAI_UACINT>(size));
  }
  if ((word & ((1u << bits) - 1)) != 0) {
    return luaL_error(thread, "base64.%s: bits are set behind the last byte, at byte %I", function,
                      static_cast<LUAI_UACINT>(length));
  }
  luaL_pushresultsize(&result, static_cast<size_t>(bytes - begin));
  return 1;
}

int DecodeStandard(lua_State* thread) { return Decode(thread, "decode", kStandard, true); }

int DecodeForUrls(lua_State* thread) { return Decode(thread, "decode_url", kForUrls, false); }

}  // namespace

int OpenBase64(lua_State* state) {
  constexpr luaL_Reg kFunctions[] = {{"decode", DecodeStandard},
                                     {"decode_url", DecodeForUrls},
                                     {"encode", EncodeStandard},
                                     {"encode_url", EncodeForUrls},
                                     {nullptr, nullptr}};
  luaL_newlib(state, kFunctions);
  return 1;
}

}  // namespace errand::sandbox
