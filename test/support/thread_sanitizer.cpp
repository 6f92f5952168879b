// What ThreadSanitizer finds in others' code and is no fault of ours. It calls these functions.

extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_suppressions();

/// A finding ends the process at once: the program does not end by exit(), which would tell of it.
extern "C" const char* __tsan_default_options() {
  return "halt_on_error=1";
}

/// Half of the synchronisation in these places is in libraries that are not instrumented, so that
/// ThreadSanitizer sees the use or the end of an object without the hand-over before it:
/// cpprestsdk counts references to the first and the last, and makes its scheduler on first use
/// under a lock; spdlog makes its registry on first use, and the compiler guards that.
extern "C" const char* __tsan_default_suppressions() {
  return "race:pplx::details::_CancellationTokenCallback\n"
         "race:pplx::details::_CancellationTokenRegistration\n"
         "race:pplx::_pplx_g_sched_t::get_scheduler\n"
         "race:spdlog::details::registry::registry\n"
         "race:web::http::client::details::asio_context::~asio_context\n";
}
