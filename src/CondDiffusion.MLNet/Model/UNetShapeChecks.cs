using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Model;

/// <summary>The checks of a network's shape that options and model files have in common.</summary>
internal static class UNetShapeChecks
{
    /// <summary>Adds what is wrong with a shape.</summary>
    /// <param name="shape">Shape of the network.</param>
    /// <param name="errors">Receives the errors.</param>
    /// <param name="most">Upper bound of every number.</param>
    /// <param name="widths">Name of the option with <see cref="UNetShape.Widths"/>.</param>
    public static void Check(
        this UNetShape shape, OptionErrors errors, int most = int.MaxValue, string widths = nameof(UNetShape.Widths))
    {
        errors.Positive(shape.Channels, most);
        CheckSide(shape.Height, errors, nameof(shape.Height));
        CheckSide(shape.Width, errors, nameof(shape.Width));
        CheckPixels(shape, errors);
        CheckWidths(shape.Widths, errors, most, widths);
        errors.Positive(shape.EmbeddingSize, most);
        errors.Positive(shape.Labels, most);
    }

    private static void CheckSide(int length, OptionErrors errors, string option) =>
        errors.Check(UNetShape.IsSide(length), option, "a positive multiple of 4", length);

    private static void CheckPixels(UNetShape shape, OptionErrors errors) => errors.Check(
        (Int128)shape.Channels * shape.Height * shape.Width <= UNetShape.MostPixels,
        $"{nameof(shape.Channels)} x {nameof(shape.Height)} x {nameof(shape.Width)}",
        $"at most {UNetShape.MostPixels} values",
        $"{shape.Channels} x {shape.Height} x {shape.Width}");

    private static void CheckWidths(IReadOnlyList<int>? widths, OptionErrors errors, int most, string option) =>
        errors.Check(
            widths is { Count: 3 } && widths.All(width => width >= 1 && width <= most),
            option,
            most == int.MaxValue ? "three positive numbers" : $"three numbers from 1 to {most}",
            widths is null ? null : $"[{string.Join(", ", widths)}]");
}
