// How many connections the system makes for a program that has not taken them yet. Beyond that it
// drops what comes: a client asks again after a second, and again.
#pragma once

#include <cstdint>

#include "native/base/status.h"

namespace millrace::base {

// Lets so many connections wait at each TCP socket of this process that listens on this port; the
// system allows no more than net.core.somaxconn, and takes a larger number for that. `sockets` is
// how many of them there were: none as well where /dev/fd cannot be listed. kInternal when the
// system refuses one.
Status SetListenBacklog(uint16_t port, int backlog, uint32_t* sockets);

}  // namespace millrace::base
