// What LeakSanitizer finds in others' code and is no fault of ours. It calls these functions.

extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __asan_default_options();

/// OpenSSL keeps errors and random numbers for each thread, and cpprestsdk's threads live until
/// after OpenSSL has cleaned up. Only whole stacks show that an allocation is theirs.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:boost_asio_detail_posix_thread_function\n";
}

extern "C" const char* __asan_default_options() {
  return "fast_unwind_on_malloc=0:malloc_context_size=60";
}
