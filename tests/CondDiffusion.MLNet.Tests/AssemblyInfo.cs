// libtorch uses every core for one operation, so that tests in parallel would only slow each other down.
[assembly: DoNotParallelize]
