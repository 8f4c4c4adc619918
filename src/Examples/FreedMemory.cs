using System.Runtime.InteropServices;

namespace CondDiffusion.Examples;

/// <summary>What becomes of the native memory that this process frees.</summary>
internal static partial class FreedMemory
{
    // The options and their numbers are those of malloc.h.
    private const int TrimThreshold = -1;
    private const int MmapThreshold = -3;

    /// <summary>
    /// Lets the process keep the native memory that it frees, on Linux with glibc. A training frees large tensors and
    /// asks for as large ones in every step; where their memory goes back to the system each time, it takes up to half
    /// as long again.
    /// </summary>
    public static void Keep()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = SetOption(MmapThreshold, int.MaxValue);
            _ = SetOption(TrimThreshold, int.MaxValue);
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library decides for itself.
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetOption(int option, int value);
}
