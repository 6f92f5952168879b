#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>

#include "rules/net.h"

namespace rules {

/// An instruction of classic BPF, as the match xt_bpf takes them (struct sock_filter).
struct BpfInstruction {
  std::uint16_t code = 0;
  std::uint8_t if_true = 0;   // instructions to skip
  std::uint8_t if_false = 0;  // likewise
  std::uint32_t operand = 0;

  bool operator==(const BpfInstruction&) const = default;
};

/// The program that accepts packets whose source and destination addresses are equal.
std::span<const BpfInstruction> source_is_destination(Family family);

/// As iptables prints a program: "6,32 0 0 12,7 0 0 0,…": the count, then the instructions.
std::string bpf_text(std::span<const BpfInstruction> program);

}  // namespace rules
