using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Model;

/// <summary>
/// What a model adds to its network's shape: the shape of the images, of which the network itself knows nothing, and
/// the checks that options and model files have in common.
/// </summary>
internal static class UNetShapeExtensions
{
    /// <summary>Returns the shape of the network's images.</summary>
    public static ImageShape ToImageShape(this UNetShape shape) => new(shape.Channels, shape.Height, shape.Width);

    /// <summary>Returns the noise at a timestep in the terms of the network's architecture.</summary>
    public static float NoiseAt(this UNetShape shape, NoiseSchedule schedule, int t) =>
        shape.Form.TakesNoiseLevel ? (float)schedule.HalfLogSnr(t) : t;

    /// <summary>Adds what is wrong with a shape.</summary>
    /// <param name="shape">Shape of the network.</param>
    /// <param name="errors">Receives the errors.</param>
    /// <param name="widths">Name of the option with <see cref="UNetShape.Widths"/>.</param>
    public static void Check(this UNetShape shape, OptionErrors errors, string widths = nameof(UNetShape.Widths))
    {
        errors.Positive(shape.Channels, ModelLimits.Size);
        CheckPixels(shape, errors);
        errors.Defined(shape.Architecture);
        CheckWidths(shape, errors, widths);
        CheckSides(shape, errors);
        errors.Positive(shape.EmbeddingSize, ModelLimits.Size);
        errors.Positive(shape.Labels, ModelLimits.Size);
        CheckParameters(shape, errors);
    }

    private static void CheckSides(UNetShape shape, OptionErrors errors)
    {
        if (UNetForm.Find(shape.Architecture) is not { } form) return;

        var divisor = (HasWidths(shape) ? shape : shape with { Widths = form.DefaultWidths }).Divisor;
        Check(shape.Height, nameof(shape.Height));
        Check(shape.Width, nameof(shape.Width));

        void Check(int length, string option) =>
            errors.Check(length > 0 && length % divisor == 0, option, $"a positive multiple of {divisor}", length);
    }

    private static void CheckPixels(UNetShape shape, OptionErrors errors) => errors.Check(
        (Int128)shape.Channels * shape.Height * shape.Width <= UNetShape.MostPixels,
        $"{nameof(shape.Channels)} x {nameof(shape.Height)} x {nameof(shape.Width)}",
        $"at most {UNetShape.MostPixels} values",
        $"{shape.Channels} x {shape.Height} x {shape.Width}");

    private static void CheckWidths(UNetShape shape, OptionErrors errors, string option)
    {
        if (UNetForm.Find(shape.Architecture) is not { } form) return;

        var count = form.LeastWidths == form.MostWidths
            ? $"{form.LeastWidths}"
            : $"{form.LeastWidths} to {form.MostWidths}";
        var numbers = form.WidthMultiple == 1 ? "numbers" : $"multiples of {form.WidthMultiple}";
        errors.Check(
            HasWidths(shape),
            option,
            $"{count} {numbers} from {form.WidthMultiple} to {ModelLimits.Size}",
            shape.Widths is null ? null : $"[{string.Join(", ", shape.Widths)}]");
    }

    private static void CheckParameters(UNetShape shape, OptionErrors errors)
    {
        // The sum of impossible sizes would say nothing new, and might overflow.
        var isPossible = IsSize(shape.Channels) && IsSize(shape.EmbeddingSize) && IsSize(shape.Labels);
        if (!isPossible || !HasWidths(shape)) return;

        var parameters = shape.Tensors().Sum(tensor => tensor.Length);
        errors.Check(
            parameters <= ModelLimits.Parameters,
            "Parameters",
            $"at most {ModelLimits.Parameters}, over all layers and label embeddings",
            parameters);
    }

    private static bool HasWidths(UNetShape shape) =>
        UNetForm.Find(shape.Architecture) is { } form &&
        shape.Widths is { } widths &&
        widths.Count >= form.LeastWidths &&
        widths.Count <= form.MostWidths &&
        widths.All(width => IsSize(width) && width % form.WidthMultiple == 0);

    private static bool IsSize(int value) => value is >= 1 and <= ModelLimits.Size;
}
