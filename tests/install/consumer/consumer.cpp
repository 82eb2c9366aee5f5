// consumer.c in C++, which has the C++ interface to include as well where that is installed.
#if defined(__has_include)
#if __has_include(<gossip/gossip.hpp>) && __cplusplus >= 201703L
#include <gossip/gossip.hpp>
#endif
#endif
#include "consumer.c"
