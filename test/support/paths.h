#pragma once

#include <filesystem>
#include <string>

namespace test {

/// The folder of this checkout.
std::filesystem::path source_folder();

/// The program of this build.
std::string program_path();

}  // namespace test
