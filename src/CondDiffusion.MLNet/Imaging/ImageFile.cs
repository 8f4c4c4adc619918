using Microsoft.ML.Data;
using SkiaSharp;

namespace CondDiffusion.MLNet.Imaging;

/// <summary>
/// Reads image files as ML.NET's <see cref="MLImage.CreateFromFile"/> does, except that it refuses those that are cut
/// short, whose missing pixels ML.NET leaves transparent.
/// </summary>
internal static class ImageFile
{
    /// <summary>The usual endings of the names of files that can be read.</summary>
    public static readonly IReadOnlyList<string> Extensions = [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"];

    private const int MaxSide = 1 << 14; // bounds an image to 1 GB, which it takes before its pixels are decoded

    /// <summary>
    /// Reads an image, or the first frame of an animation. The content of the file decides its format, not its name.
    /// </summary>
    /// <returns>A new image, whose colors are multiplied by their opacity.</returns>
    /// <exception cref="FormatException">
    /// The file is not an image, or a broken or too large one; the message names it.
    /// </exception>
    public static MLImage Read(string path)
    {
        var bytes = File.ReadAllBytes(path);
        using var codec = SKCodec.Create(new SKMemoryStream(bytes), out var result);
        if (result != SKCodecResult.Success)
        {
            throw new FormatException(
                $"'{path}' is not an image: expected the content of a PNG, JPEG, WebP, BMP or GIF file, found " +
                $"{bytes.Length} bytes of another kind ({result}).");
        }

        var width = codec.Info.Width;
        var height = codec.Info.Height;
        if (width > MaxSide || height > MaxSide)
        {
            throw new FormatException(
                $"'{path}' claims an image of {width} x {height} pixels: expected sides of 1 to {MaxSide}.");
        }

        var pixels = new byte[width * height * 4];
        result = codec.GetPixels(new SKImageInfo(width, height, SKColorType.Bgra8888, SKAlphaType.Premul), pixels);
        if (result != SKCodecResult.Success)
        {
            throw new FormatException(
                $"'{path}' is broken: expected an image of {width} x {height} pixels, found one that is cut short or " +
                $"corrupt ({result}).");
        }

        return MLImage.CreateFromPixels(width, height, MLPixelFormat.Bgra32, pixels);
    }
}
