#include "proxy/host/watched_entries.h"

#include <filesystem>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/temporary_folder.h"

namespace fs = std::filesystem;
using proxy::watched_entries;
using proxy::WatchedEntries;
using test::TemporaryFolder;

namespace {

using Names = std::set<std::string>;
using Folders = std::map<std::string, WatchedEntries>;

/// The entries of the folder itself and what is in it, by the name there; "" is the folder.
Folders within(const TemporaryFolder& folder, const std::string& name) {
  const std::string root = fs::canonical(folder.path()).string();
  Folders found;
  for (const auto& [path, entries] :
       watched_entries(std::vector{(folder.path() / name).string()})) {
    if (path.starts_with(root)) {
      found[path.size() == root.size() ? "" : path.substr(root.size() + 1)] = entries;
    }
  }
  return found;
}

}  // namespace

TEST_CASE("watched_entries: of a file its own name, whatever else is in its folder",
          "[proxy][watched_entries]") {
  const TemporaryFolder folder;
  folder.write("cluster.yaml", "");
  folder.write("daemon.log", "");

  CHECK(within(folder, "cluster.yaml") == Folders{{"", {.names = {"cluster.yaml"}}}});
  CHECK(within(folder, "missing.yaml") == Folders{{"", {.names = {"missing.yaml"}}}});
}

TEST_CASE("watched_entries: of a folder all that is in it, and its own name",
          "[proxy][watched_entries]") {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "manifests");

  CHECK(within(folder, "manifests/") ==
        Folders{{"", {.names = {"manifests"}}}, {"manifests", {.all = true}}});
}

TEST_CASE("watched_entries: each symlink on the way, as those of a ConfigMap",
          "[proxy][watched_entries]") {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "..1");
  folder.write("..1/web.yaml", "");
  fs::create_directory_symlink("..1", folder.path() / "..data");
  fs::create_symlink("..data/web.yaml", folder.path() / "web.yaml");

  CHECK(within(folder, "web.yaml") ==
        Folders{{"", {.names = {"web.yaml", "..data"}}}, {"..1", {.names = {"web.yaml"}}}});
}

TEST_CASE("watched_entries: symlinks in a circle end", "[proxy][watched_entries]") {
  const TemporaryFolder folder;
  fs::create_symlink("b.yaml", folder.path() / "a.yaml");
  fs::create_symlink("a.yaml", folder.path() / "b.yaml");

  CHECK(within(folder, "a.yaml").at("").names == Names{"a.yaml", "b.yaml"});
}
