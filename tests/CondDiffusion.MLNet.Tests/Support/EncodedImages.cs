namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Image files of a few pixels, which were put together byte by byte, without an image library.</summary>
internal static class EncodedImages
{
    /// <summary>2 x 2 pixels of red, green and blue: (255, 0, 0), (0, 128, 0); (0, 0, 64), (1, 2, 3).</summary>
    public const string Png =
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFElEQVR42mP4z8DA0ADEDA6MTMwAEosBxjDD/joAAAAASUVORK5CYII=";

    /// <summary>The same pixels as <see cref="Png"/>.</summary>
    public const string Bmp =
        "Qk1GAAAAAAAAADYAAAAoAAAAAgAAAAIAAAABABgAAAAAABAAAAATCwAAEwsAAAAAAAAAAAAAQAAAAwIBAAAAAP8AgAAAAA==";

    /// <summary>3 x 1 pixels of grey: 0, 100, 255.</summary>
    public const string GreyPng =
        "iVBORw0KGgoAAAANSUhEUgAAAAMAAAABCAAAAAA+i0toAAAADElEQVR42mNgSPkPAAHLAWRv8wGuAAAAAElFTkSuQmCC";

    /// <summary>1 x 2 pixels of (200, 100, 50): an opaque one and a transparent one.</summary>
    public const string TransparentPng =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAACCAYAAACZgbYnAAAAEUlEQVR42mM4kWL0nwFIMAAAFjoDvKz3ducAAAAASUVORK5CYII=";

    /// <summary>2 x 1 pixels in two frames: (255, 0, 0), (0, 128, 0); then (0, 0, 64) twice.</summary>
    public const string Gif =
        "R0lGODlhAgABAJEAAAAAAP8AAACAAAAAQCH5BAAKAAAALAAAAAACAAEAAAICjAoAIfkEAAoAAAAsAAAAAAIAAQAAAgLcCgA7";

    /// <summary>2 x 1 pixels of (10, 200, 30), without loss.</summary>
    public const string WebP = "UklGRhgAAABXRUJQVlA4TAwAAAAvAQAAAChyFerR/wA=";

    /// <summary>A PNG file with a header that claims 100,000 x 100,000 pixels.</summary>
    public const string HugePng =
        "iVBORw0KGgoAAAANSUhEUgABhqAAAYagCAIAAAAnMJyfAAAADElEQVR42mNgoD0AAABkAAG4me+ZAAAAAElFTkSuQmCC";

    /// <summary>Writes a file, and the directories that its name begins with.</summary>
    public static string Write(this TemporaryDirectory directory, string name, string content = Png)
    {
        var path = directory.File(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, Convert.FromBase64String(content));
        return path;
    }
}
