using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.Examples;

/// <summary>The size of images, and their channels: 1 for grey ones, 3 for colored ones.</summary>
internal sealed record ImageForm(int Height, int Width, int Channels)
{
    /// <summary>
    /// Returns the form of a view's first image. Real images are resized to that of the generated ones, as in the
    /// training of the generator: otherwise the resizing would count as a difference.
    /// </summary>
    public static ImageForm OfFirst(IDataView images) =>
        Of(images.GetColumn<MLImage>(nameof(LabelledImage.Image)).First()); // not ours to dispose: rows may share it

    public override string ToString() => $"{Height} x {Width} and {(Channels == 1 ? "grey" : "colored")}";

    public static ImageForm Of(MLImage image)
    {
        var isGrey = image.GetBGRPixels.Chunk(3).All(pixel => pixel[0] == pixel[1] && pixel[1] == pixel[2]);
        return new(image.Height, image.Width, isGrey ? 1 : 3);
    }
}
