// The compiled library: the tensor core for float.
#define PUSHFORWARD_COMPILED
#include <pushforward/pushforward.hpp>

#undef PUSHFORWARD_INSTANCE
#define PUSHFORWARD_INSTANCE template
#include <pushforward/compiled/operations.inl>
