using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// Arithmetic of a tensor with a number or another tensor. TorchSharp's operators make a temporary object of the
/// number, which the garbage collector may free while libtorch still reads it; here it lives until the result is there.
/// A sum of tensors has such a number, too: the factor of the second one, which is 1.
/// </summary>
internal static class TensorArithmetic
{
    /// <summary>Returns the sum, in a new tensor.</summary>
    public static Tensor Plus(this Tensor x, Tensor y) => x.add(y, Numbers.One);

    /// <summary>Returns <paramref name="x"/> plus <paramref name="y"/>, in a new tensor.</summary>
    public static Tensor Plus(this Tensor x, double y)
    {
        using Scalar scalar = y;
        return x.add(scalar, Numbers.One);
    }

    /// <summary>Returns where <paramref name="x"/> is less than <paramref name="bound"/>.</summary>
    public static Tensor IsBelow(this Tensor x, double bound)
    {
        using Scalar scalar = bound;
        return x.lt(scalar);
    }

    /// <summary>Returns where <paramref name="x"/> is <paramref name="number"/>.</summary>
    public static Tensor IsEqualTo(this Tensor x, long number)
    {
        using Scalar scalar = number;
        return x.eq(scalar);
    }

    /// <summary>Returns <paramref name="x"/> times <paramref name="factor"/>, in a new tensor.</summary>
    public static Tensor Times(this Tensor x, double factor)
    {
        using Scalar scalar = factor;
        return x.mul(scalar);
    }

    /// <summary>Returns <paramref name="x"/> divided by <paramref name="divisor"/>, in a new tensor.</summary>
    public static Tensor Over(this Tensor x, double divisor)
    {
        using Scalar scalar = divisor;
        return x.div(scalar);
    }
}
