#include "proxy/backends/restore_backend.h"

#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "k8sclient/objects/trim.h"
#include "proxy/host/process.h"
#include "proxy/legacy/xtables_lock.h"
#include "proxy/log/logging.h"
#include "proxy/nft/tables.h"

namespace proxy {

namespace {

/// Measured with iptables 1.8.9 on kernel 6.18, Services of 10 endpoints (see bench/README.md):
/// time in iptables-nft-restore grows with the square of the chains in a batch, and as soon as a
/// hook leads to our chains, the kernel walks all rules of the table at each commit (0.25 s for
/// 320,000 rules). Before the first hook small batches are fastest, afterwards larger ones.
rules::BatchLimits nft_limits(const rules::Changes& changes) {
  constexpr std::size_t kServicesBeforeHooks = 50;
  constexpr std::size_t kServicesBehindHooks = 300;
  return {.services = changes.insert_hooks.empty() ? kServicesBehindHooks : kServicesBeforeHooks,
          .entries = 1000,
          .removals = 1000};
}

constexpr rules::BatchLimits kNoLimits{std::numeric_limits<std::size_t>::max(),
                                       std::numeric_limits<std::size_t>::max(),
                                       std::numeric_limits<std::size_t>::max()};

constexpr std::string_view kBlank = " \t\r\n";

/// The line of the input that the text complains about: "line 3: RULE_APPEND failed", "line 3
/// failed" or "Error occurred at line: 3". 0 if there is none.
std::size_t complained_line(std::string_view text) {
  constexpr std::string_view kWord = "line";
  for (std::size_t at = text.find(kWord); at != std::string_view::npos;
       at = text.find(kWord, at + 1)) {
    const std::size_t digits = text.find_first_not_of(": ", at + kWord.size());
    std::size_t line = 0;
    if (digits != std::string_view::npos &&
        std::from_chars(text.data() + digits, text.data() + text.size(), line).ec == std::errc()) {
      return line;
    }
  }
  return 0;
}

/// Failures that have nothing to do with the rules: the same changes may pass later.
bool is_transient(int status, std::string_view error) {
  constexpr std::array<std::string_view, 6> kTexts{"holding the xtables lock",
                                                   "Resource temporarily unavailable",
                                                   "Cannot allocate memory",
                                                   "Memory allocation problem",
                                                   "Interrupted system call",
                                                   "Chain already exists"};
  if (status == ProcessResult::kTimedOut || status >= 128) {
    return true;
  }
  for (const std::string_view text : kTexts) {
    if (error.find(text) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

void log_if_slow(const std::string& command, std::chrono::steady_clock::duration took) {
  constexpr std::chrono::seconds kSlow{2};  // as kube-proxy
  if (took > kSlow) {
    log_info("Slow command",
             {{"command", command},
              {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(took).count()}});
  }
}

}  // namespace

ApplyError explain_restore_failure(int status,
                                   std::string_view error,
                                   const rules::RestoreBatch& batch) {
  ApplyError result;
  result.transient = is_transient(status, error);
  result.message = status == ProcessResult::kTimedOut
                       ? "iptables-restore did not finish in time and was killed"
                       : fmt::format("iptables-restore failed with status {}: {}",
                                     status,
                                     k8sclient::trimmed(error, kBlank));
  if (const auto service = batch.service_at(complained_line(error)); service && !result.transient) {
    result.service = service->name;
  }
  return result;
}

RestoreBackend::RestoreBackend(Settings settings, ForeignChanges& foreign_changes)
    : settings_(settings),
      foreign_changes_(foreign_changes),
      save_(program(settings_.family, settings_.variant, "-save")),
      restore_(program(settings_.family, settings_.variant, "-restore")) {}

rules::Installed RestoreBackend::read(rules::Detail detail) {
  foreign_changes_.before_reading();
  if (settings_.variant == Variant::kNft) {
    NftReading reading = read_nft_tables(settings_.family, detail);
    if (reading.is_in_our_words) {
      return std::move(reading.installed);
    }
  }
  return read_text(detail);
}

std::optional<rules::Installed> RestoreBackend::read_some(const std::set<rules::ChainId>& chains) {
  if (settings_.variant != Variant::kNft) {
    return std::nullopt;
  }
  NftReading reading = read_nft_chains(settings_.family, chains);
  return reading.is_in_our_words ? std::optional(std::move(reading.installed)) : std::nullopt;
}

/// Nothing is held of the text but a line.
rules::Installed RestoreBackend::read_text(rules::Detail detail) const {
  rules::InstalledReader reader(detail);
  rules::SaveTextReader lines(reader, settings_.family);
  const ProcessResult result = run({.argv = {save_},
                                    .input = {},
                                    .deadline = settings_.deadline,
                                    .on_line = [&](std::string_view line) { lines.line(line); }});
  if (result.status != 0) {
    throw std::system_error(std::make_error_code(std::errc::io_error),
                            fmt::format("{} failed with status {}: {}",
                                        save_,
                                        result.status,
                                        k8sclient::trimmed(result.error, kBlank)));
  }
  return std::move(reader).finish();
}

std::optional<ApplyError> RestoreBackend::apply(const rules::Changes& changes) {
  std::optional<ApplyError> error;
  rules::make_batches(changes,
                      settings_.family,
                      settings_.variant == Variant::kNft ? nft_limits(changes) : kNoLimits,
                      [&](const rules::RestoreBatch& batch) {
                        // Batch by batch, so that what one announces is taken in before the
                        // announcements of the next come on top of it.
                        const OwnCommit commit(foreign_changes_);
                        error = restore(batch);
                        return !error;
                      });
  return error;
}

std::optional<ApplyError> RestoreBackend::restore(const rules::RestoreBatch& batch) const {
  const std::string wait = std::to_string(settings_.lock_wait.count());
  const std::vector<std::string> command{restore_, "--noflush", "--counters", "-w", wait};
  log_debug(
      "Running",
      {{"command", fmt::format("{}", fmt::join(command, " "))}, {"bytes", batch.text.size()}});
  if (is_tracing()) {
    log_trace("Input", {{"command", restore_}, {"text", batch.text}});
  }
  const auto start = std::chrono::steady_clock::now();
  const ProcessResult result =
      run({.argv = command, .input = batch.text, .deadline = settings_.deadline});
  log_if_slow(restore_, std::chrono::steady_clock::now() - start);
  if (result.status == 0) {
    return std::nullopt;
  }
  if (result.error.find("xtables lock") != std::string::npos) {
    return ApplyError{.message = describe_lock_failure(settings_.lock_wait), .transient = true};
  }
  return explain_restore_failure(result.status, result.error, batch);
}

}  // namespace proxy
