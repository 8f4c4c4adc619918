// libtorch uses every core for one operation: tests side by side would only slow each other.
[assembly: DoNotParallelize]
