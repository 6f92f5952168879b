#pragma once

namespace test {

/// Makes the accounting objects that kube-proxy's rules refer to (spec §9.5) in the network
/// namespace of the calling thread. Without them the kernel refuses such rules.
void make_accounting_objects();

}  // namespace test
