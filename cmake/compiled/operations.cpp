// The compiled library: the tensor core, for float or double.
#ifndef PUSHFORWARD_COMPILED
#define PUSHFORWARD_COMPILED
#endif
#include <pushforward/pushforward.hpp>

#ifdef PUSHFORWARD_COMPILED_DOUBLE
#define PUSHFORWARD_SCALAR double
#else
#define PUSHFORWARD_SCALAR float
#endif
#define PUSHFORWARD_INSTANCE template
#include <pushforward/compiled/operations.inl>
