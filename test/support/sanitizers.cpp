// What the sanitizers find in others' code and is no fault of ours. They call these functions.

extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __asan_default_options();
extern "C" const char* __tsan_default_suppressions();

/// OpenSSL keeps errors and random numbers for each thread, and cpprestsdk's threads live until
/// after OpenSSL has cleaned up. Only whole stacks show that an allocation is theirs.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:boost_asio_detail_posix_thread_function\n";
}

extern "C" const char* __asan_default_options() {
  return "fast_unwind_on_malloc=0:malloc_context_size=60";
}

/// cpprestsdk counts references to these objects, and makes its scheduler on first use under a
/// lock. Its half of the synchronisation is not instrumented, so ThreadSanitizer sees the use or
/// the end of an object without the hand-over before it.
extern "C" const char* __tsan_default_suppressions() {
  return "race:pplx::details::_CancellationTokenCallback\n"
         "race:pplx::_pplx_g_sched_t::get_scheduler\n"
         "race:web::http::client::details::asio_context::~asio_context\n";
}
