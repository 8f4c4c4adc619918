using System.Runtime.InteropServices;

namespace CondDiffusion.MLNet.Network;

/// <summary>Tells libtorch's errors apart, which all come as one type of exception.</summary>
internal static class TorchErrors
{
    private static readonly string[] OutOfMemory = ["can't allocate memory", "not enough memory", "out of memory"];

    /// <summary>Whether a device had too little memory, by libtorch's message for CPUs and GPUs.</summary>
    public static bool IsOutOfMemory(ExternalException exception) =>
        OutOfMemory.Any(words => exception.Message.Contains(words, StringComparison.OrdinalIgnoreCase));
}
