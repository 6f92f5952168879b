#pragma once

#include <map>
#include <optional>
#include <string>

namespace k8sclient {

/// Sets a variable for the libraries in this process. Programs that run() starts, and inherited(),
/// see what was there before. To be called while there is one thread.
void set_for_libraries(const std::string& name, const std::string& value);

/// The variable as this process was started with it.
std::optional<std::string> inherited(const std::string& name);

/// All variables as this process was started with them.
std::map<std::string, std::string, std::less<>> inherited_environment();

}  // namespace k8sclient
