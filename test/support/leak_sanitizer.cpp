// What LeakSanitizer finds in others' code and is no fault of ours. It calls this function.

extern "C" const char* __lsan_default_suppressions();

/// OpenSSL keeps errors and random numbers for each thread, and cpprestsdk's threads live until
/// after OpenSSL has cleaned up. The whole stack of such an allocation would show whose it is, but
/// OpenSSL has no frame pointers, and to unwind without them at each allocation takes the tests
/// ten times as long. Our own handles of OpenSSL are in unique_ptrs. Likewise what waits in the
/// queue of cpprestsdk's threads as the program ends.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libcrypto.so\nleak:libcpprest.so\n";
}
