using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Model;

/// <summary>
/// What a model adds to its network's shape: the shape of the images, of which the network itself knows nothing, and
/// the checks that options and model files have in common.
/// </summary>
internal static class UNetShapeExtensions
{
    private static readonly string Sizes = $"three numbers from 1 to {ModelLimits.Size}";

    /// <summary>Returns the shape of the network's images.</summary>
    public static ImageShape ToImageShape(this UNetShape shape) => new(shape.Channels, shape.Height, shape.Width);

    /// <summary>Adds what is wrong with a shape.</summary>
    /// <param name="shape">Shape of the network.</param>
    /// <param name="errors">Receives the errors.</param>
    /// <param name="widths">Name of the option with <see cref="UNetShape.Widths"/>.</param>
    public static void Check(this UNetShape shape, OptionErrors errors, string widths = nameof(UNetShape.Widths))
    {
        errors.Positive(shape.Channels, ModelLimits.Size);
        CheckSide(shape.Height, errors, nameof(shape.Height));
        CheckSide(shape.Width, errors, nameof(shape.Width));
        CheckPixels(shape, errors);
        CheckWidths(shape.Widths, errors, widths);
        errors.Positive(shape.EmbeddingSize, ModelLimits.Size);
        errors.Positive(shape.Labels, ModelLimits.Size);
        CheckParameters(shape, errors);
    }

    private static void CheckSide(int length, OptionErrors errors, string option) =>
        errors.Check(UNetShape.IsSide(length), option, "a positive multiple of 4", length);

    private static void CheckPixels(UNetShape shape, OptionErrors errors) => errors.Check(
        (Int128)shape.Channels * shape.Height * shape.Width <= UNetShape.MostPixels,
        $"{nameof(shape.Channels)} x {nameof(shape.Height)} x {nameof(shape.Width)}",
        $"at most {UNetShape.MostPixels} values",
        $"{shape.Channels} x {shape.Height} x {shape.Width}");

    private static void CheckWidths(IReadOnlyList<int>? widths, OptionErrors errors, string option) => errors.Check(
        HasSizes(widths), option, Sizes, widths is null ? null : $"[{string.Join(", ", widths)}]");

    private static void CheckParameters(UNetShape shape, OptionErrors errors)
    {
        // The sum of impossible sizes would say nothing new, and might overflow.
        var isPossible = IsSize(shape.Channels) && IsSize(shape.EmbeddingSize) && IsSize(shape.Labels);
        if (!isPossible || !HasSizes(shape.Widths)) return;

        var parameters = shape.Tensors().Sum(tensor => tensor.Length);
        errors.Check(
            parameters <= ModelLimits.Parameters,
            "Parameters",
            $"at most {ModelLimits.Parameters}, over all layers and label embeddings",
            parameters);
    }

    private static bool HasSizes(IReadOnlyList<int>? widths) => widths is { Count: 3 } && widths.All(IsSize);

    private static bool IsSize(int value) => value is >= 1 and <= ModelLimits.Size;
}
