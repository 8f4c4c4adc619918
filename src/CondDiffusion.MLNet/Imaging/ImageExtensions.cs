using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Imaging;
using Microsoft.ML.Data;
using SkiaSharp;

namespace CondDiffusion.MLNet;

/// <summary>Encodes images in memory. (ML.NET's own <see cref="MLImage.Save"/> writes files only.)</summary>
public static class ImageExtensions
{
    /// <summary>Encodes an image as a PNG file, exactly but without transparency.</summary>
    /// <param name="image">The image; it is not disposed.</param>
    /// <returns>The bytes of the file.</returns>
    /// <exception cref="InvalidOperationException">The image was disposed.</exception>
    public static byte[] ToPng(this MLImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        var bgra = PixelConversion.ToBgra(image);

        using var bitmap = new SKBitmap(
            new SKImageInfo(image.Width, image.Height, SKColorType.Bgra8888, SKAlphaType.Opaque));
        Marshal.Copy(bgra, 0, bitmap.GetPixels(), bgra.Length);
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, quality: 100);
        return png.ToArray();
    }
}
