using System.Globalization;

namespace CondDiffusion.MLNet;

/// <summary>How many images of each label an augmentation generates.</summary>
public sealed class AugmentationAmount
{
    private readonly string _text;
    private readonly Func<long, long, double> _total;

    private AugmentationAmount(string text, Func<long, long, double> total)
    {
        _text = text;
        _total = total;
    }

    /// <summary>Gets the amount with which each label has as many images as the most frequent one.</summary>
    public static AugmentationAmount Balance { get; } = new(nameof(Balance), (_, largest) => largest);

    /// <summary>Returns the amount with which each label has at least a number of images.</summary>
    /// <param name="images">Images of a label, real and generated. At least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="images"/> is below 1.</exception>
    public static AugmentationAmount AtLeast(int images)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(images, 1);
        return new($"{nameof(AtLeast)}({images})", (_, _) => images);
    }

    /// <summary>Returns the amount that generates a number of images for each real one.</summary>
    /// <param name="ratio">
    /// Generated images for each real one of the label. Positive and finite. Their number is rounded, half to even.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="ratio"/> is not positive, or not finite.
    /// </exception>
    public static AugmentationAmount PerReal(double ratio)
    {
        if (!(ratio > 0 && double.IsFinite(ratio)))
            throw new ArgumentOutOfRangeException(nameof(ratio), ratio, "The ratio must be positive and finite.");

        return new(
            string.Create(CultureInfo.InvariantCulture, $"{nameof(PerReal)}({ratio})"),
            (real, _) => real + Math.Round(real * ratio));
    }

    /// <inheritdoc/>
    public override string ToString() => _text;

    /// <summary>Returns the number of images to generate of a label.</summary>
    /// <param name="real">Real images of the label.</param>
    /// <param name="largest">Real images of the most frequent label.</param>
    /// <param name="mostPerReal">The most generated images for each real one; null for no bound.</param>
    internal long Generated(long real, long largest, double? mostPerReal)
    {
        // 100 x 0.29 is 28.999999999999996 in binary.
        var most = mostPerReal is { } ratio ? Math.Floor(Math.Round(real * ratio, 6)) : double.PositiveInfinity;
        return (long)Math.Clamp(_total(real, largest) - real, 0, most);
    }
}
