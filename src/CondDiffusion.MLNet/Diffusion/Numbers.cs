using TorchSharp;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// Numbers for libtorch's operators. TorchSharp makes an object of each number that it passes on, and may free it while
/// libtorch still reads it; these live on. A sum of tensors passes on the factor of the second one, which is 1 unless
/// it is given. The first use of a number loads the native library.
/// </summary>
internal static class Numbers
{
    public static readonly Scalar Zero = 0;
    public static readonly Scalar One = 1;
}
