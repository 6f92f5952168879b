# CTest `layering`: who may include whom. Linking does not prevent including, so this reads the
# #include lines.
#   cmake -D SOURCE_DIR=... -P test/layering.cmake

# Units of rules/, lowest first: a file includes only its own unit and units before it.
set(rules_units
    net protocol_number bpf_program service address_clash rule target_chain connection_states key_tree topology rule_bound names rule_words text
    ruleset dispatch endpoint_tree compile installed shared_edit diff change_steps restore_text save_text tables
    table_changes flow packet_view foreign_match judge table_walk trace iptc_layout iptc_frame iptc_entry)

# Units of k8sclient/, likewise, room after room: errors.h, base/, objects/, identity/, watch/.
set(k8sclient_units
    errors
    descriptor environment file line_splitter mutex process rfc3339 base64
    trim quote json_text field_error value_path object_name types json utf8 yaml encoding proto_schema proto
    proto_envelope proto_item_splitter item_splitter api_status decode_error objects decode_object decode
    manifests query
    pem authorities kubeconfig_setting kubeconfig exec_plugin credentials tls
    answers backoff server_loss setbacks body_buffer exchange frame_splitter server_url transport reflector)

# Sources whose unit is not called like them: "source=unit".
set(rules_parts
    compile_base=compile compile_entries=compile compile_facts=compile
    compile_service=compile iptc_decode=iptc_entry iptc_encode=iptc_entry
    parse=text)
set(k8sclient_parts decode_watch=decode yaml_scalar=yaml yaml_text=yaml)

# Rooms of proxy/, lowest first: a file includes only its own room and rooms before it.
set(proxy_rooms
    text log host http config explain cluster kernel tables legacy nft backends sync report commands)

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
    "^(proxy|bench)/<-^k8sclient/(watch/(body_buffer|exchange|server_url)|objects/(decode_object|json|objects|proto|proto_envelope|proto_schema|value_path)|identity/(kubeconfig_setting|tls)).h$")

# "header<-includer": what matches the first pattern may be included by the second only.
set(quarantined
    "^(cpprest|pplx)/<-^k8sclient/watch/(body_buffer.h|exchange.h|server_url.h|transport.cpp)$"
    "^boost/<-^(k8sclient/identity/tls|proxy/http/request_reader).cpp$"
    "^openssl/<-^(k8sclient/(base/base64|identity/(authorities|tls)).cpp|rules/names.cpp)$"
    "^simdjson<-^k8sclient/objects/json.h$"
    "^protozero/<-^k8sclient/objects/proto[a-z_]*.(h|cpp)$"
    "^yaml-cpp/<-^k8sclient/objects/yaml.cpp$"
    "^spdlog/<-^(k8sclient/watch/reflector|proxy/log/logging).cpp$"
    "^CLI/<-^(bench/.*|proxy/(commands/command_(line|table)|config/flags_parser)).cpp$"
    "^prometheus/<-^proxy/report/metric[a-z_]*.cpp$"
    "^(libmnl|libnetfilter_conntrack)/<-^proxy/(kernel/(conntrack|conntrack_entry|nfacct|nfnetlink|nftables_mode).cpp|nft/)"
    "^libiptc/<-^proxy/legacy/(iptc|xtables)[a-z_]*.cpp$"
    "^linux/netfilter<-^(rules/iptc_layout.h|proxy/kernel/(conntrack|conntrack_entry|nfacct|nfnetlink|nftables_mode).cpp|proxy/nft/|proxy/legacy/(iptc|xtables)_[a-z]*.cpp)")

# The two sides of "left<-right".
macro(split rule left right)
  string(REPLACE "<-" ";" sides "${rule}")
  list(GET sides 0 ${left})
  list(GET sides 1 ${right})
endmacro()

# The place of a file among the units of its folder, in `out`.
function(find_level folder path out)
  get_filename_component(unit "${path}" NAME_WE)
  foreach(part IN LISTS ${folder}_parts)
    if(part MATCHES "^${unit}=(.*)$")
      set(unit "${CMAKE_MATCH_1}")
      break()
    endif()
  endforeach()
  list(FIND ${folder}_units "${unit}" level)
  if(level EQUAL -1)
    message(SEND_ERROR "${path}: give it a place in ${folder}_units of test/layering.cmake")
  endif()
  set(${out} "${level}" PARENT_SCOPE)
endfunction()

# The place of a file among the rooms of proxy/, in `out`: -1 for what lies beside the rooms and may be
# included by all of them.
function(find_room path out)
  if(path MATCHES "^proxy/([^/]+)/")
    list(FIND proxy_rooms "${CMAKE_MATCH_1}" level)
    if(level EQUAL -1)
      message(SEND_ERROR "${path}: give its room a place in proxy_rooms of test/layering.cmake")
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
  if(includer MATCHES "^proxy/[^/]+/" AND header MATCHES "^proxy/")
    find_room("${includer}" includer_room)
    find_room("${header}" header_room)
    if(header_room GREATER includer_room)
      message(SEND_ERROR "${includer} must not include ${header}: its room comes later in proxy_rooms")
    endif()
  endif()
  foreach(folder rules k8sclient)
    if(includer MATCHES "^${folder}/" AND header MATCHES "^${folder}/")
      find_level(${folder} "${includer}" includer_level)
      find_level(${folder} "${header}" header_level)
      if(header_level GREATER includer_level)
        message(SEND_ERROR "${includer} must not include ${header}: it comes later in ${folder}_units")
      endif()
    endif()
  endforeach()
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
