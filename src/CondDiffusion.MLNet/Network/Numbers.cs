using TorchSharp;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// Numbers for libtorch's operators. TorchSharp makes an object of each number that it passes on, and may free it while
/// libtorch still reads it; these live on. The first use of one loads the native library.
/// </summary>
internal static class Numbers
{
    public static readonly Scalar One = 1;
}
