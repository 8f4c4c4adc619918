namespace CondDiffusion.MLNet.Classification;

/// <summary>The pixels of a row's image, or what is wrong with it.</summary>
/// <param name="Values">The values, [C, H, W]; empty where something is wrong.</param>
/// <param name="Error">What is wrong with the image; null if nothing is.</param>
internal sealed record ImagePixels(float[] Values, string? Error = null)
{
    public bool Equals(ImagePixels? other) =>
        other is not null && Error == other.Error && Values.AsSpan().SequenceEqual(other.Values);

    public override int GetHashCode() => HashCode.Combine(Values.Length, Error);
}
