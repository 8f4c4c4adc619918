using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Imaging;

/// <summary>Gives the shape of an image's pixel values, [C, H, W]: one plane of rows for each channel.</summary>
/// <param name="Channels">Number of channels, C: 1 for grey, 3 for red, green and blue.</param>
/// <param name="Height">Number of rows, H.</param>
/// <param name="Width">Number of columns, W.</param>
internal readonly record struct ImageShape(int Channels, int Height, int Width)
{
    /// <summary>Gets the number of values in one plane, H * W.</summary>
    public int PlanePixels => Height * Width;

    /// <summary>Gets the number of values in the image, C * H * W.</summary>
    public int Pixels => Channels * PlanePixels;

    /// <summary>
    /// Returns whether vectors of a type can hold the values. A flat type says nothing about their order, and one of
    /// unknown size nothing about their number.
    /// </summary>
    public bool IsHeldBy(DataViewType type)
    {
        if (type is not VectorDataViewType vector || vector.ItemType != NumberDataViewType.Single) return false;

        return vector.Dimensions.Length == 1
            ? vector.Size == 0 || vector.Size == Pixels
            : vector.Dimensions.SequenceEqual([Channels, Height, Width]);
    }

    /// <inheritdoc/>
    public override string ToString() => $"[{Channels}, {Height}, {Width}]";
}
