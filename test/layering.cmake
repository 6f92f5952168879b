# CTest `layering`: who may include whom. Linking does not prevent including, so this reads the
# #include lines.
#   cmake -D SOURCE_DIR=... -P test/layering.cmake

# Units of rules/, lowest first: a file includes only its own unit and units before it.
set(rules_units
    net bpf_program service rule key_tree topology names rule_words text ruleset dispatch endpoint_tree
    compile installed shared_edit diff change_steps
    restore_text save_text
    tables table_changes flow judge table_walk trace iptc_layout iptc_frame iptc_entry)

# Sources whose unit is not called like them: "source=unit".
set(rules_parts
    compile_base=compile compile_entries=compile compile_facts=compile
    compile_service=compile iptc_decode=iptc_entry iptc_encode=iptc_entry
    parse=text)

# Rooms of proxy/, lowest first: a file includes only its own room and rooms before it.
set(proxy_rooms
    text log host http config explain cluster kernel tables legacy nft backends sync report commands)

# Rooms of k8sclient/, likewise; errors.h lies below them.
set(k8sclient_rooms objects identity watch)

# "includer<-header": files that match the first pattern must not include what matches the second.
set(forbidden
    "^rules/<-^(k8sclient|proxy|test|bench)/"
    "^k8sclient/<-^(rules|proxy|test|bench)/"
    "^proxy/<-^(test|bench)/"
    # rules/ is pure: no I/O, no clock, no thread.
    "^rules/<-^(cstdio|ctime|filesystem|fstream|iostream|mutex|thread|unistd.h|sys/.*)$"
    # Text is made by fmt.
    "^(rules|k8sclient|proxy)/<-^iostream$"
    # Internals of k8sclient/, among them all that shows simdjson or cpprestsdk.
    "^(proxy|bench)/<-^k8sclient/(watch/(body_buffer|exchange)|objects/(decode_object|json|objects)|identity/tls).h$")

# "header<-includer": what matches the first pattern may be included by the second only.
set(quarantined
    "^(cpprest|pplx)/<-^k8sclient/watch/(body_buffer.h|exchange.h|transport.cpp)$"
    "^boost/<-^(k8sclient/identity/tls|proxy/http/request_reader).cpp$"
    "^openssl/<-^(k8sclient/identity/tls.cpp|rules/names.cpp)$"
    "^simdjson<-^k8sclient/objects/json.h$"
    "^yaml-cpp/<-^k8sclient/(identity/kubeconfig|objects/yaml).cpp$"
    "^spdlog/<-^(k8sclient/watch/reflector|proxy/log/logging).cpp$"
    "^CLI/<-^(bench/.*|proxy/(commands/command_line|config/flags)).cpp$"
    "^prometheus/<-^proxy/report/metric[a-z_]*.cpp$"
    "^(libmnl|libnetfilter_conntrack|libnftnl)/<-^proxy/(kernel/(conntrack|nfacct|nfnetlink|nftables_mode).cpp|nft/)"
    "^libiptc/<-^proxy/legacy/(iptc|xtables)[a-z_]*.cpp$"
    "^linux/netfilter<-^(rules/iptc_layout.h|proxy/kernel/(conntrack|nfacct|nfnetlink|nftables_mode).cpp|proxy/nft/|proxy/legacy/(iptc|xtables)_[a-z]*.cpp)")

# The two sides of "left<-right".
macro(split rule left right)
  string(REPLACE "<-" ";" sides "${rule}")
  list(GET sides 0 ${left})
  list(GET sides 1 ${right})
endmacro()

# The place of a file of rules/ among the units, in `out`.
function(find_level path out)
  get_filename_component(unit "${path}" NAME_WE)
  foreach(part IN LISTS rules_parts)
    if(part MATCHES "^${unit}=(.*)$")
      set(unit "${CMAKE_MATCH_1}")
      break()
    endif()
  endforeach()
  list(FIND rules_units "${unit}" level)
  if(level EQUAL -1)
    message(SEND_ERROR "${path}: give it a place in rules_units of test/layering.cmake")
  endif()
  set(${out} "${level}" PARENT_SCOPE)
endfunction()

# The place of a file among the rooms of its folder, in `out`: -1 for what lies beside the rooms and may be
# included by all of them.
function(find_room folder path out)
  if(path MATCHES "^${folder}/([^/]+)/")
    list(FIND ${folder}_rooms "${CMAKE_MATCH_1}" level)
    if(level EQUAL -1)
      message(SEND_ERROR "${path}: give its room a place in ${folder}_rooms of test/layering.cmake")
    endif()
    set(${out} "${level}" PARENT_SCOPE)
  else()
    set(${out} -1 PARENT_SCOPE)
  endif()
endfunction()

function(check includer header)
  foreach(rule IN LISTS forbidden)
    split("${rule}" from to)
    if(includer MATCHES "${from}" AND header MATCHES "${to}")
      message(SEND_ERROR "${includer} must not include ${header} (forbidden: ${rule})")
    endif()
  endforeach()
  foreach(rule IN LISTS quarantined)
    split("${rule}" what where)
    if(header MATCHES "${what}" AND NOT includer MATCHES "${where}")
      message(SEND_ERROR "${includer} must not include ${header} (quarantined: ${rule})")
    endif()
  endforeach()
  foreach(folder proxy k8sclient)
    if(includer MATCHES "^${folder}/[^/]+/" AND header MATCHES "^${folder}/")
      find_room(${folder} "${includer}" includer_room)
      find_room(${folder} "${header}" header_room)
      if(header_room GREATER includer_room)
        message(SEND_ERROR "${includer} must not include ${header}: its room comes later in ${folder}_rooms")
      endif()
    endif()
  endforeach()
  if(includer MATCHES "^rules/" AND header MATCHES "^rules/")
    find_level("${includer}" includer_level)
    find_level("${header}" header_level)
    if(header_level GREATER includer_level)
      message(SEND_ERROR "${includer} must not include ${header}: it comes later in rules_units")
    endif()
  endif()
endfunction()

file(GLOB_RECURSE sources RELATIVE "${SOURCE_DIR}"
     "${SOURCE_DIR}/rules/*.h" "${SOURCE_DIR}/rules/*.cpp"
     "${SOURCE_DIR}/k8sclient/*.h" "${SOURCE_DIR}/k8sclient/*.cpp"
     "${SOURCE_DIR}/proxy/*.h" "${SOURCE_DIR}/proxy/*.cpp"
     "${SOURCE_DIR}/bench/*.h" "${SOURCE_DIR}/bench/*.cpp")
if(NOT sources)
  message(FATAL_ERROR "no sources below ${SOURCE_DIR}")
endif()
foreach(source IN LISTS sources)
  file(STRINGS "${SOURCE_DIR}/${source}" includes REGEX "^ *# *include")
  foreach(line IN LISTS includes)
    if(line MATCHES "include *[<\"]([^>\"]+)[>\"]")
      check("${source}" "${CMAKE_MATCH_1}")
    endif()
  endforeach()
endforeach()
