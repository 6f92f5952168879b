# Writes OUTPUT, if it would change: VERSION, and the commit of SOURCE_DIR with its date. Without git or
# a repository (a source archive, the build of a package) IPTPROXY_COMMIT and IPTPROXY_DATE of the
# environment say them; else they are "unknown".
#   cmake -D SOURCE_DIR=... -D VERSION=... -D OUTPUT=... -P proxy/text/build_info.cmake

function(git out)
  execute_process(COMMAND git -C ${SOURCE_DIR} ${ARGN}
    OUTPUT_VARIABLE output OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
  if(NOT status EQUAL 0 OR output STREQUAL "")
    set(output unknown)
  endif()
  set(${out} "${output}" PARENT_SCOPE)
endfunction()

if(DEFINED ENV{IPTPROXY_COMMIT} AND DEFINED ENV{IPTPROXY_DATE})
  set(commit "$ENV{IPTPROXY_COMMIT}")
  set(date "$ENV{IPTPROXY_DATE}")
else()
  set(ENV{TZ} UTC)
  git(commit rev-parse --short=12 HEAD)
  git(date log -1 --format=%cd --date=format-local:%Y-%m-%d)
  execute_process(COMMAND git -C ${SOURCE_DIR} diff --quiet HEAD --
    ERROR_QUIET RESULT_VARIABLE is_changed)
  if(is_changed EQUAL 1)
    string(APPEND commit "+changes")
  endif()
endif()

file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
constexpr std::string_view kVersion = "@VERSION@";
constexpr std::string_view kCommit = "@commit@";
constexpr std::string_view kDate = "@date@";
]])
