// hash: SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104). Nothing here allocates outside of Lua: it may be
// jumped out of anywhere.

#include <nettle/hmac.h>
#include <nettle/sha2.h>

#include <cstdint>

#include "server/sandbox/libraries.h"

namespace errand::sandbox {
namespace {

using Digest = uint8_t[SHA256_DIGEST_SIZE];

enum Form { kHex, kRaw };

Form CheckForm(lua_State* thread, int index) {
  constexpr const char* kForms[] = {"hex", "raw", nullptr};
  return static_cast<Form>(luaL_checkoption(thread, index, "hex", kForms));
}

const uint8_t* CheckBytes(lua_State* thread, int index, size_t& size) {
  return reinterpret_cast<const uint8_t*>(luaL_checklstring(thread, index, &size));
}

int PushDigest(lua_State* thread, const Digest& digest, Form form) {
  if (form == kRaw) {
    lua_pushlstring(thread, reinterpret_cast<const char*>(digest), sizeof digest);
    return 1;
  }
  constexpr char kDigits[] = "0123456789abcdef";
  char text[2 * sizeof digest];
  char* next = text;
  for (const uint8_t byte : digest) {
    *next++ = kDigits[byte >> 4];
    *next++ = kDigits[byte & 15];
  }
  lua_pushlstring(thread, text, sizeof text);
  return 1;
}

// hash.sha256(s [, "hex" | "raw"])
int Sha256(lua_State* thread) {
  size_t size;
  const uint8_t* bytes = CheckBytes(thread, 1, size);
  const Form form = CheckForm(thread, 2);
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, size, bytes);
  Digest digest;
  sha256_digest(&context, sizeof digest, digest);
  return PushDigest(thread, digest, form);
}

// hash.hmac_sha256(key, s [, "hex" | "raw"])
int HmacSha256(lua_State* thread) {
  size_t key_size;
  const uint8_t* key = CheckBytes(thread, 1, key_size);
  size_t size;
  const uint8_t* bytes = CheckBytes(thread, 2, size);
  const Form form = CheckForm(thread, 3);
  hmac_sha256_ctx context;
  hmac_sha256_set_key(&context, key_size, key);
  hmac_sha256_update(&context, size, bytes);
  Digest digest;
  hmac_sha256_digest(&context, sizeof digest, digest);
  return PushDigest(thread, digest, form);
}

}  // namespace

int OpenHash(lua_State* state) {
  constexpr luaL_Reg kFunctions[] = {{"hmac_sha256", HmacSha256}, {"sha256", Sha256}, {nullptr, nullptr}};
  luaL_newlib(state, kFunctions);
  return 1;
}

}  // namespace errand::sandbox
