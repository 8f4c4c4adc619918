using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Classification;

/// <summary>The checks of a classifier's shape, which options and model files have in common.</summary>
internal static class ClassifierShapeExtensions
{
    private const int MostBlocks = 16;
    private const int MostConvolutions = 16;

    /// <summary>Returns the shape of the network's images.</summary>
    public static ImageShape ToImageShape(this ClassifierShape shape) =>
        new(shape.Channels, shape.Height, shape.Width);

    /// <summary>Adds what is wrong with a shape.</summary>
    /// <param name="shape">Shape of the network.</param>
    /// <param name="errors">Receives the errors.</param>
    /// <param name="widths">Name of the option with <see cref="ClassifierShape.Widths"/>.</param>
    /// <param name="convolutions">Name of the option with <see cref="ClassifierShape.Convolutions"/>.</param>
    /// <param name="features">Name of the option with <see cref="ClassifierShape.Features"/>.</param>
    public static void Check(
        this ClassifierShape shape,
        OptionErrors errors,
        string widths = nameof(ClassifierShape.Widths),
        string convolutions = nameof(ClassifierShape.Convolutions),
        string features = nameof(ClassifierShape.Features))
    {
        errors.Positive(shape.Channels, ModelLimits.Size);
        errors.Positive(shape.Height, ModelLimits.Size);
        errors.Positive(shape.Width, ModelLimits.Size);
        errors.Check(
            (Int128)shape.Channels * shape.Height * shape.Width <= UNetShape.MostPixels,
            $"{nameof(shape.Channels)} x {nameof(shape.Height)} x {nameof(shape.Width)}",
            $"at most {UNetShape.MostPixels} values",
            $"{shape.Channels} x {shape.Height} x {shape.Width}");

        var hasWidths = shape.Widths is { Count: >= 1 and <= MostBlocks } && shape.Widths.All(IsSize);
        errors.Check(
            hasWidths,
            widths,
            $"1 to {MostBlocks} numbers from 1 to {ModelLimits.Size}",
            shape.Widths is null ? null : $"[{string.Join(", ", shape.Widths)}]");
        errors.Positive(shape.Convolutions, MostConvolutions, convolutions);
        errors.Positive(shape.Features, ModelLimits.Size, features);
        errors.Positive(shape.Labels, ModelLimits.Size);

        // The sum of impossible sizes would say nothing new, and might overflow.
        if (!hasWidths || shape.Convolutions is < 1 or > MostConvolutions || !IsSize(shape.Channels) ||
            !IsSize(shape.Features) || !IsSize(shape.Labels) || !IsSize(shape.Height) || !IsSize(shape.Width))
        {
            return;
        }

        var parameters = shape.Tensors().Aggregate(Int128.Zero, (sum, tensor) => sum + tensor.Length);
        errors.Check(
            parameters <= ModelLimits.Parameters,
            "Parameters",
            $"at most {ModelLimits.Parameters}, over all layers",
            parameters);
    }

    private static bool IsSize(int value) => value is >= 1 and <= ModelLimits.Size;
}
