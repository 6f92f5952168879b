#pragma once

struct nlmsghdr;

namespace proxy {

/// Whether libnftnl can be trusted with the message: it takes it for granted that a jump has a
/// chain, and that names have an end. The kernel sends no others.
bool is_sound_rule(const nlmsghdr* message);

}  // namespace proxy
