// Included ahead of everything in a TSan build. protobuf's map_field.h has two members more where it sees
// that TSan is on; Debian's libprotobuf was built without, and would find every later member in the wrong
// place.
#include <memory>  // With what it includes: not what is changed here.

#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
