namespace CondDiffusion.MLNet.Classification;

/// <summary>The pixels of a row's image, or what is wrong with it.</summary>
/// <param name="Values">The values, [C, H, W]; empty where something is wrong.</param>
/// <param name="Error">What is wrong with the image; null if nothing is.</param>
internal sealed record ImagePixels(float[] Values, string? Error = null)
{
    /// <summary>What rounding never changes in [-1, 1], and other images nearly always do.</summary>
    private const float Tolerance = 0.25f;

    /// <summary>
    /// Returns whether two readings can be of the same image. One that is generated for each of them may be rounded
    /// otherwise, in batches of other sizes.
    /// </summary>
    public bool IsNear(ImagePixels other)
    {
        if (Error != other.Error || Values.Length != other.Values.Length) return false;

        for (var i = 0; i < Values.Length; i++)
        {
            if (Math.Abs(Values[i] - other.Values[i]) > Tolerance) return false;
        }

        return true;
    }
}
